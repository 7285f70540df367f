"""Affinity: how much better than expected the user likes the movie's genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.columns import GENRES
from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows, UserBlock


@dataclass(frozen=True, slots=True, eq=False)
class Affinity:
    """How much better than expected the user likes each genre.

    Attributes:
        residual: float32 (n_users + 1, 18), sums of residuals over the user's movies of
            a genre.
        count: float32 (n_users + 1, 18), how many movies those are.
        log_count: float32 (n_users + 1, 18), log(1 + count).
        shrinkage: float32 (1,), ratings; keeps a genre from standing out of which the
            user has rated little.
    """

    name: ClassVar[str] = "affinity"

    residual: Floats
    count: Floats
    log_count: Floats
    shrinkage: Floats

    @classmethod
    def fit(cls, training: TrainingRows, shrinkage: float = 8.0) -> Self:
        """Sums over the users' ratings; nothing is learnt of movies."""
        nothing = np.empty((0, len(GENRES)), dtype=np.float32)
        unfitted = cls(
            residual=nothing,
            count=nothing,
            log_count=nothing,
            shrinkage=floats(shrinkage),
        )
        return unfitted.with_users(training)

    def with_users(self, training: TrainingRows) -> Self:
        """The same sums over the ratings of other users."""
        n_users = training.n_users + 1
        residual = np.empty((n_users, len(GENRES)))
        count = np.empty((n_users, len(GENRES)))
        has_genre = training.catalogue.genre_flags == 1

        def add_up(block: UserBlock) -> None:
            users, rows = block
            user = block.user_of_row(training.user_index)
            movie = training.movie_index[rows]
            left = training.residual[rows]
            n_own = block.n_users
            for genre in range(len(GENRES)):
                within = np.flatnonzero(has_genre[movie, genre])
                of_genre = user[within]
                residual[users, genre] = np.bincount(of_genre, left[within], n_own)
                count[users, genre] = np.bincount(of_genre, minlength=n_own)

        training.workers.map(add_up, training.blocks)
        return type(self)(
            residual.astype(np.float32),
            count.astype(np.float32),
            np.log1p(count).astype(np.float32),
            self.shrinkage,
        )

    def columns(self) -> tuple[Column, ...]:
        """Over the movie's genres, and of all of them pooled."""
        return (
            Column("affinity_mean", Part.USER),
            Column("affinity_max", Part.USER),
            Column("affinity_min", Part.USER),
            Column("affinity_log_count", Part.USER),
            Column("affinity_pooled", Part.USER),
        )

    def tables(self) -> Tables:
        """All fields."""
        return {
            "residual": self.residual,
            "count": self.count,
            "log_count": self.log_count,
            "shrinkage": self.shrinkage,
        }
