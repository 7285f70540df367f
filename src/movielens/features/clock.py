"""Clock: when it was asked, on the calendar, in the user's time here and in the
movie's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.training_rows import TrainingRows

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """When it was asked: on the calendar, in the user's time here and in the movie's.

    Attributes:
        user: float64 (n_users + 1,), first rating in seconds since 1970, NaN where
            there is none.
        movie: float64 (n_movies + 1,), likewise.
        log_span: float64 (n_users + 1,), log(1 + days) from the user's first rating to
            the last.
    """

    name: ClassVar[str] = "clock"

    user: NDArray[np.float64]
    movie: NDArray[np.float64]
    log_span: NDArray[np.float64]

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        movie = _earliest(history.movie_index, history.timestamp, history.n_movies + 1)
        return cls(movie[:0], movie, movie[:0]).with_users(history)

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        first = _earliest(history.user_index, history.timestamp, history.n_users + 1)
        last = -_earliest(history.user_index, -history.timestamp, history.n_users + 1)
        return replace(
            self, user=first, log_span=np.log1p((last - first) / SECONDS_PER_DAY)
        )

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return (
            "movie_age",
            "hour",
            "weekday",
            "days_of_user",
            "days_of_movie",
            "log_span_of_user",
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"user": self.user, "movie": self.movie, "log_span": self.log_span}


def _earliest(
    index: NDArray[np.int64], time: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """The least time of each index, float64 (n,), NaN where there is none."""
    earliest = np.full(n, np.inf)
    np.fmin.at(earliest, index, time)
    return np.where(np.isfinite(earliest), earliest, np.nan)
