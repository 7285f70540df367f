"""What is asked of the model: columns of raw ids, the same for a training row and for a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Comparing a dtype with a type would make one each time.
_COLUMNS = (("user_id", np.dtype(np.int64)), ("movie_id", np.dtype(np.int64)), ("timestamp", np.dtype(np.float64)))


@dataclass(frozen=True, slots=True, eq=False)
class RatingQueries:
    """Raw ids whose rating is asked, one row each.

    Attributes:
        user_id: int64 (n_rows,), raw MovieLens user ids, known or not.
        movie_id: int64 (n_rows,), raw MovieLens movie ids, known or not.
        timestamp: float64 (n_rows,), seconds since 1970, NaN where none was given.

    Raises:
        ValueError: if the columns differ in length or have another dtype.
    """

    user_id: NDArray[np.int64]
    movie_id: NDArray[np.int64]
    timestamp: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (len(self.user_id),)
        for name, dtype in _COLUMNS:
            column = getattr(self, name)
            if column.shape != shape or column.dtype != dtype:
                raise ValueError(f"{name} is {column.dtype}{column.shape}, expected {dtype}{shape}")

    @classmethod
    def none(cls) -> Self:
        """No rows."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, rows: NDArray[np.int64]) -> RatingQueries:
        """The given rows (int64 positions), in that order."""
        return RatingQueries(self.user_id[rows], self.movie_id[rows], self.timestamp[rows])
