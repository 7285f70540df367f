"""Clock: the calendar, and the time since the user and the movie were first seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """When users and movies were first rated.

    Attributes:
        user: float64 (n_users + 1,), the user's first rating in seconds since 1970, NaN
            if there is none.
        movie: float64 (n_movies + 1,), the movie's first rating, likewise.
        log_span: float64 (n_users + 1,), log(1 + days) from the user's first rating to
            the last.
    """

    name: ClassVar[str] = "clock"

    user: NDArray[np.float64]
    movie: NDArray[np.float64]
    log_span: NDArray[np.float64]

    @classmethod
    def fit(cls, training: TrainingRows) -> Self:
        """The first rating of each movie, then of each user."""
        n_movies = training.n_movies + 1
        movie = _earliest(training.movie_index, training.timestamp, n_movies)
        nothing = np.empty(0)
        unfitted = cls(user=nothing, movie=movie, log_span=nothing)
        return unfitted.with_users(training)

    def with_users(self, training: TrainingRows) -> Self:
        """The first and the last rating of each user."""
        n_users = training.n_users + 1
        first = _earliest(training.user_index, training.timestamp, n_users)
        last = -_earliest(training.user_index, -training.timestamp, n_users)
        days = (last - first) / SECONDS_PER_DAY
        return replace(self, user=first, log_span=np.log1p(days))

    def columns(self) -> tuple[Column, ...]:
        """Age in years, hours and weekdays in UTC from 0, and times in days."""
        return (
            Column("movie_age", Part.MOMENT),
            Column("hour", Part.MOMENT),
            Column("weekday", Part.MOMENT),
            Column("days_of_user", Part.MOMENT),
            Column("days_of_movie", Part.MOMENT),
            Column("log_span_of_user", Part.USER),
        )

    def tables(self) -> Tables:
        """All fields."""
        return {"user": self.user, "movie": self.movie, "log_span": self.log_span}


def _earliest(
    index: NDArray[np.int64], time: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """The least time of each index, float64 (n,), NaN where there is none."""
    earliest = np.full(n, np.inf)
    np.fmin.at(earliest, index, time)
    return np.where(np.isfinite(earliest), earliest, np.nan)
