"""What is asked of a model: raw ids, the same for a training row and a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Made once, because comparing a dtype with a type makes a new dtype each time.
_DTYPES = (np.dtype(np.int64), np.dtype(np.int64), np.dtype(np.float64))


UnknownIds = tuple[int, int, int]
"""Rows whose user or movie isn't known: all, those of unknown users, of unknown movies.

A user is known if training or a history has ratings of them, a movie if the catalogue
lists it.
"""


@dataclass(frozen=True, slots=True, eq=False)
class RatingQueries:
    """Users and movies whose ratings are asked for, one pair a row.

    Attributes:
        user_id: int64 (n_rows,), raw MovieLens user ids, known or not.
        movie_id: int64 (n_rows,), raw MovieLens movie ids, known or not.
        timestamp: float64 (n_rows,), seconds since 1970, NaN if none was given.

    Raises:
        ValueError: the columns differ in length or have another dtype.
    """

    user_id: NDArray[np.int64]
    movie_id: NDArray[np.int64]
    timestamp: NDArray[np.float64]

    def __post_init__(self) -> None:
        user_id, movie_id, timestamp = self.user_id, self.movie_id, self.timestamp
        dtypes = (user_id.dtype, movie_id.dtype, timestamp.dtype)
        shape = user_id.shape
        have_one_shape = movie_id.shape == shape == timestamp.shape
        if dtypes == _DTYPES and have_one_shape and len(shape) == 1:
            return

        columns = {"user_id": user_id, "movie_id": movie_id, "timestamp": timestamp}
        found = ", ".join(
            f"{name} is {column.dtype}{column.shape}"
            for name, column in columns.items()
        )
        raise ValueError(f"{found}, expected int64, int64 and float64 of one length")

    @classmethod
    def none(cls) -> Self:
        """No rows."""
        no_ids = np.empty(0, dtype=np.int64)
        return cls(no_ids, no_ids, np.empty(0))

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, rows: NDArray[np.int64]) -> RatingQueries:
        """The given rows (int64 positions), in that order."""
        return RatingQueries(
            self.user_id[rows], self.movie_id[rows], self.timestamp[rows]
        )
