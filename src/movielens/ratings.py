"""Rating values as classes; the training data say which values there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.errors import DataError

WHOLE_STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
HALF_STARS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The rating values that a model distinguishes.

    Attributes:
        class_values: stars of each class, rising; `WHOLE_STARS` or `HALF_STARS`.

    Raises:
        ValueError: any other values.

    Example:
        >>> scale = RatingScale(WHOLE_STARS)
        >>> scale.to_class(np.array([5.0, 1.0])).tolist()
        [4, 0]
        >>> scale.to_rating(np.array([4, 0])).tolist()
        [5.0, 1.0]
    """

    class_values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.class_values not in (WHOLE_STARS, HALF_STARS):
            raise ValueError(
                f"class values {self.class_values}, "
                f"expected {WHOLE_STARS} or {HALF_STARS}"
            )

    @classmethod
    def of(cls, rating: NDArray[np.float32]) -> Self:
        """The scale of some ratings, float32 (n_rows,), in stars.

        Five whole stars if no rating has a half star (ML-100K, ML-1M), otherwise ten
        half stars.
        """
        is_whole = np.isin(rating, WHOLE_STARS)
        return cls(WHOLE_STARS if np.all(is_whole) else HALF_STARS)

    def to_class(self, rating: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Class indexes, int64 (n_rows,), 0 to n_classes - 1.

        Raises:
            DataError: a value that isn't on the scale, such as a half star when the
                training ratings were whole stars.
        """
        values = np.asarray(self.class_values)
        nearest_above = np.searchsorted(values, rating)
        classes = nearest_above.clip(max=len(values) - 1)

        off_scale = np.flatnonzero(values[classes] != rating)
        if len(off_scale):
            scale = ", ".join(str(value) for value in self.class_values)
            raise DataError(
                f"rating {rating[off_scale[0]]} is not among the training ratings' "
                f"values {scale}"
            )
        return classes

    def to_rating(self, class_index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stars, float64 (n_rows,)."""
        return np.asarray(self.class_values)[class_index]
