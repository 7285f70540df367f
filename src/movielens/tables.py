"""Ratings and movies as checked columns."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.pairs import pair_key
from movielens.queries import RatingQueries

_DTYPES = {
    "user_id": np.dtype(np.int32),
    "movie_id": np.dtype(np.int32),
    "half_stars": np.dtype(np.uint8),
    "timestamp": np.dtype(np.uint32),
}


@dataclass(frozen=True, slots=True, eq=False)
class RatingTable:
    """Ratings, 13 bytes a row, in the order of the files.

    The order matters, because a seeded split depends on it.

    Attributes:
        user_id: int32 (n_rows,), raw MovieLens ids, from 0.
        movie_id: int32 (n_rows,), raw MovieLens ids, from 0.
        half_stars: uint8 (n_rows,), 1 to 10.
        timestamp: uint32 (n_rows,), seconds since 1970; None if the files have no such
            column.

    Raises:
        ValueError: the columns differ in length or have another dtype.
    """

    user_id: NDArray[np.int32]
    movie_id: NDArray[np.int32]
    half_stars: NDArray[np.uint8]
    timestamp: NDArray[np.uint32] | None

    def __post_init__(self) -> None:
        columns: dict[str, NDArray[Any]] = {
            "user_id": self.user_id,
            "movie_id": self.movie_id,
            "half_stars": self.half_stars,
        }
        if self.timestamp is not None:
            columns["timestamp"] = self.timestamp

        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        for name, column in columns.items():
            if column.dtype != _DTYPES[name]:
                raise ValueError(f"{name} is {column.dtype}, expected {_DTYPES[name]}")

    @classmethod
    def of(
        cls,
        user_id: NDArray[Any],
        movie_id: NDArray[Any],
        rating: NDArray[Any],
        timestamp: NDArray[Any] | None,
    ) -> Self:
        """A table of columns of other dtypes, whose values are known to fit.

        Args:
            user_id: raw ids, (n_rows,).
            movie_id: raw ids, (n_rows,).
            rating: in stars, (n_rows,).
            timestamp: seconds since 1970, (n_rows,), or None.

        Example:
            >>> one = np.array([1])
            >>> RatingTable.of(one, one, np.array([3.5]), None).half_stars.tolist()
            [7]
        """
        return cls(
            user_id=user_id.astype(np.int32),
            movie_id=movie_id.astype(np.int32),
            half_stars=(2 * rating).astype(np.uint8),
            timestamp=None if timestamp is None else timestamp.astype(np.uint32),
        )

    @classmethod
    def concatenate(cls, tables: Sequence[RatingTable]) -> Self:
        """The rows of all tables, one table after the other.

        Args:
            tables: at least one. Either all have timestamps or none has.
        """
        timestamps = [
            table.timestamp for table in tables if table.timestamp is not None
        ]
        return cls(
            np.concatenate([table.user_id for table in tables]),
            np.concatenate([table.movie_id for table in tables]),
            np.concatenate([table.half_stars for table in tables]),
            np.concatenate(timestamps) if timestamps else None,
        )

    @property
    def rating(self) -> NDArray[np.float32]:
        """Stars, float32 (n_rows,), 0.5 to 5.0."""
        return self.half_stars * np.float32(0.5)

    @property
    def pair(self) -> NDArray[np.int64]:
        """User and movie as one number, int64 (n_rows,), which rises by user and then
        by movie.
        """
        return pair_key(self.user_id, self.movie_id)

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, rows: NDArray[np.int64]) -> RatingTable:
        """The given rows (int64 positions), in that order."""
        timestamp = None if self.timestamp is None else self.timestamp[rows]
        return RatingTable(
            self.user_id[rows], self.movie_id[rows], self.half_stars[rows], timestamp
        )

    def every(self, most: int) -> RatingTable:
        """At most ``most`` of the rows, evenly spread."""
        if len(self) <= most:
            return self
        step = math.ceil(len(self) / most)
        return self.take(np.arange(0, len(self), step))

    def queries(self) -> RatingQueries:
        """The same rows without their ratings, as a request would ask for them."""
        if self.timestamp is None:
            timestamp = np.full(len(self), np.nan)
        else:
            timestamp = self.timestamp.astype(np.float64)
        return RatingQueries(
            user_id=self.user_id.astype(np.int64),
            movie_id=self.movie_id.astype(np.int64),
            timestamp=timestamp,
        )


@dataclass(frozen=True, slots=True, eq=False)
class MovieTable:
    """The catalogue, by movie id.

    Attributes:
        movie_id: int32 (n_movies,), raw MovieLens ids, rising, each movie once.
        title: the titles, as in the file, with the year and with single spaces.
        genres: the genres of each movie, as in the file. ML-1M's and ML-100K's
            ``Children's`` is ``Children``. ``(no genres listed)`` and ML-100K's
            ``unknown`` are left out.
        year: int16 (n_movies,), the year in the title, 0 if there is none.

    Raises:
        ValueError: the columns differ in length, or the ids don't rise.
    """

    movie_id: NDArray[np.int32]
    title: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    year: NDArray[np.int16]

    def __post_init__(self) -> None:
        columns: tuple[Sized, ...] = (
            self.movie_id,
            self.title,
            self.genres,
            self.year,
        )
        lengths = {len(column) for column in columns}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        # Not `np.diff`: the difference of two int32 may be too large for one.
        if np.any(self.movie_id[1:] <= self.movie_id[:-1]):
            raise ValueError("movie ids must rise")

    def __len__(self) -> int:
        return len(self.movie_id)
