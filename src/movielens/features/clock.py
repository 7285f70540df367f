"""Clock: when it was asked, on the calendar, in the user's time here and in the movie's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import Catalogue, History
from movielens.features.matrix import Floats, Rows

SECONDS_PER_DAY = 86_400.0
SECONDS_PER_YEAR = 31_556_952.0


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """When it was asked: on the calendar, in the user's time here and in the movie's.

    Attributes:
        user: float64 (n_users + 1,), first rating in seconds since 1970, NaN where there is none.
        movie: float64 (n_movies + 1,), likewise.
        log_span: float64 (n_users + 1,), log(1 + days) from the user's first rating to the last.
    """

    name: ClassVar[str] = "clock"

    user: NDArray[np.float64]
    movie: NDArray[np.float64]
    log_span: NDArray[np.float64]

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        movie = np.full(len(history.catalogue.index) + 1, np.inf)
        first, last = np.full(history.n_users + 1, np.inf), np.full(history.n_users + 1, -np.inf)
        np.fmin.at(movie, history.movie_index, history.timestamp)
        np.fmin.at(first, history.user_index, history.timestamp)
        np.fmax.at(last, history.user_index, history.timestamp)
        first, last, movie = (np.where(np.isfinite(time), time, np.nan) for time in (first, last, movie))
        return cls(first, movie, np.log1p((last - first) / SECONDS_PER_DAY))

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return ("movie_age", "hour", "weekday", "days_of_user", "days_of_movie", "log_span_of_user")

    def transform(self, rows: Rows, catalogue: Catalogue) -> Floats:
        """As the protocol says."""
        time = rows.timestamp
        columns = [
            1970 + time / SECONDS_PER_YEAR - catalogue.year[rows.movie_index],
            time // 3600 % 24,
            time // SECONDS_PER_DAY % 7,
            (time - self.user[rows.user_index]) / SECONDS_PER_DAY,
            (time - self.movie[rows.movie_index]) / SECONDS_PER_DAY,
            self.log_span[rows.user_index],
        ]
        return np.column_stack(columns).astype(np.float32)
