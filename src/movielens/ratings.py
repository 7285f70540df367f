"""Rating values as classes: which stars there are is read off the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.errors import DataError

WHOLE_STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
HALF_STARS = tuple(k / 2 for k in range(1, 11))


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The rating values that a model tells apart.

    Attributes:
        class_values: stars of each class, rising.
    """

    class_values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.class_values not in (WHOLE_STARS, HALF_STARS):
            raise ValueError(
                f"class values {self.class_values}, expected {WHOLE_STARS} or {HALF_STARS}"
            )

    @classmethod
    def of(cls, rating: NDArray[np.float32]) -> Self:
        """Five whole stars where no rating has a half (ML-100K, ML-1M), otherwise ten
        half stars.
        """
        return cls(WHOLE_STARS if np.all(np.isin(rating, WHOLE_STARS)) else HALF_STARS)

    def to_class(self, rating: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Class indexes, int64 (n_rows,), 0 to n_classes - 1.

        Raises:
            DataError: a value that isn't on the scale, such as a half star where
                training had whole ones only.
        """
        values = np.asarray(self.class_values)
        classes = np.searchsorted(values, rating).clip(max=len(values) - 1)
        off = np.flatnonzero(values[classes] != rating)
        if len(off):
            scale = ", ".join(map(str, self.class_values))
            raise DataError(
                f"rating {rating[off[0]]} is not among the training ratings' values {scale}"
            )
        return classes

    def to_rating(self, class_index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stars, float64 (n_rows,)."""
        return np.asarray(self.class_values)[class_index]
