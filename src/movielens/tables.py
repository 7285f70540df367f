"""Ratings and movies as checked columns, in the order in which the files had them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.pairs import pair_key
from movielens.queries import RatingQueries


@dataclass(frozen=True, slots=True, eq=False)
class RatingTable:
    """Ratings, 13 bytes a row: file order is kept, since a seeded split depends on it.

    Attributes:
        user_id: int32 (n_rows,), raw MovieLens ids, above 0.
        movie_id: int32 (n_rows,), raw MovieLens ids, above 0.
        half_stars: uint8 (n_rows,), 1 to 10.
        timestamp: uint32 (n_rows,), seconds since 1970, or None where the files have no
            such column.

    Raises:
        ValueError: if the columns differ in length or have another dtype.
    """

    user_id: NDArray[np.int32]
    movie_id: NDArray[np.int32]
    half_stars: NDArray[np.uint8]
    timestamp: NDArray[np.uint32] | None

    def __post_init__(self) -> None:
        dtypes = (np.int32, np.int32, np.uint8, np.uint32)
        columns = (self.user_id, self.movie_id, self.half_stars, self.timestamp)
        present = [
            (column, dtype)
            for column, dtype in zip(columns, dtypes, strict=True)
            if column is not None
        ]
        lengths = {len(column) for column, _ in present}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        for column, dtype in present:
            if column.dtype != dtype:
                raise ValueError(
                    f"a column is {column.dtype}, expected {np.dtype(dtype)}"
                )

    @classmethod
    def of(
        cls,
        user_id: NDArray[Any],
        movie_id: NDArray[Any],
        rating: NDArray[Any],
        timestamp: NDArray[Any] | None,
    ) -> Self:
        """Pack columns of other dtypes whose values are known to be fit for it;
        ``rating`` is in stars.
        """
        return cls(
            user_id.astype(np.int32),
            movie_id.astype(np.int32),
            (2 * rating).astype(np.uint8),
            None if timestamp is None else timestamp.astype(np.uint32),
        )

    @classmethod
    def concatenate(cls, tables: Sequence[RatingTable]) -> Self:
        """One table after the other; all of them have timestamps or none has."""
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
        """At most that many of the rows, evenly spread."""
        step = -(-len(self) // most) or 1
        return self if step == 1 else self.take(np.arange(0, len(self), step))

    def queries(self) -> RatingQueries:
        """The same rows without their ratings, as a request would ask for them."""
        timestamp = (
            np.full(len(self), np.nan)
            if self.timestamp is None
            else self.timestamp.astype(np.float64)
        )
        return RatingQueries(
            self.user_id.astype(np.int64), self.movie_id.astype(np.int64), timestamp
        )


@dataclass(frozen=True, slots=True, eq=False)
class MovieTable:
    """The catalogue, by rising movie id.

    Attributes:
        movie_id: int32 (n_movies,), raw MovieLens ids, rising, no two alike.
        title: one title a movie, as in the file (surrounding spaces removed), the year
            included.
        genres: the names a movie, as in the file but for ML-1M's and ML-100K's
            ``Children's``, which is ``Children``; empty where the file says ``(no
            genres listed)`` (or ML-100K's ``unknown``).
        year: int16 (n_movies,), the year in the title, 0 where there is none.
    """

    movie_id: NDArray[np.int32]
    title: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    year: NDArray[np.int16]

    def __post_init__(self) -> None:
        if (
            not len(self.movie_id)
            == len(self.title)
            == len(self.genres)
            == len(self.year)
        ):
            raise ValueError("columns of different lengths")
        if np.any(np.diff(self.movie_id) <= 0):
            raise ValueError("movie ids must rise")

    def __len__(self) -> int:
        return len(self.movie_id)
