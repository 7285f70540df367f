"""Ratings and movies as checked columns, in the order in which the files had them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from movielens.queries import RatingQueries


@dataclass(frozen=True, slots=True, eq=False)
class RatingTable:
    """Ratings, 16 bytes a row or fewer: file order is kept, since a seeded split depends on it.

    Attributes:
        user_id: int32 (n_rows,), raw MovieLens ids, above 0.
        movie_id: int32 (n_rows,), raw MovieLens ids, above 0.
        rating: float32 (n_rows,), stars, 0.5 to 5.0 in half stars.
        timestamp: uint32 (n_rows,), seconds since 1970, or None where the files have no such column.
    """

    user_id: NDArray[np.int32]
    movie_id: NDArray[np.int32]
    rating: NDArray[np.float32]
    timestamp: NDArray[np.uint32] | None

    def __post_init__(self) -> None:
        lengths = {len(c) for c in (self.user_id, self.movie_id, self.rating, self.timestamp) if c is not None}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, rows: NDArray[np.int64]) -> RatingTable:
        """The given rows (int64 positions), in that order."""
        timestamp = None if self.timestamp is None else self.timestamp[rows]
        return RatingTable(self.user_id[rows], self.movie_id[rows], self.rating[rows], timestamp)

    def every(self, most: int) -> RatingTable:
        """At most that many of the rows, evenly spread."""
        step = -(-len(self) // most) or 1
        return self if step == 1 else self.take(np.arange(0, len(self), step))

    def queries(self) -> RatingQueries:
        """The same rows without their ratings, as a request would ask for them."""
        timestamp = np.full(len(self), np.nan) if self.timestamp is None else self.timestamp.astype(np.float64)
        return RatingQueries(self.user_id.astype(np.int64), self.movie_id.astype(np.int64), timestamp)


@dataclass(frozen=True, slots=True, eq=False)
class MovieTable:
    """The catalogue, by rising movie id.

    Attributes:
        movie_id: int32 (n_movies,), raw MovieLens ids, rising, no two alike.
        title: one title a movie, as in the file (surrounding spaces removed), the year included.
        genres: the names a movie, as in the file but for ML-1M's and ML-100K's ``Children's``, which is ``Children``;
            empty where the file says ``(no genres listed)`` (or ML-100K's ``unknown``).
        year: int16 (n_movies,), the year in the title, 0 where there is none.
    """

    movie_id: NDArray[np.int32]
    title: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    year: NDArray[np.int16]

    def __post_init__(self) -> None:
        if not len(self.movie_id) == len(self.title) == len(self.genres) == len(self.year):
            raise ValueError("columns of different lengths")
        if np.any(np.diff(self.movie_id) <= 0):
            raise ValueError("movie ids must rise")

    def __len__(self) -> int:
        return len(self.movie_id)
