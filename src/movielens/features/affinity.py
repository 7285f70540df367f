"""Affinity: how much better than expected the user likes the movie's genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.columns import GENRES
from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Affinity:
    """How much better than expected the user likes each genre.

    Attributes:
        residual: float32 (n_users + 1, 18), sums of residuals over the user's movies of
            a genre.
        count: float32 (n_users + 1, 18), how many movies those are.
        log_count: float32 (n_users + 1, 18), log(1 + count).
    """

    name: ClassVar[str] = "affinity"

    residual: Floats
    count: Floats
    log_count: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        empty = np.empty((0, len(GENRES)), dtype=np.float32)
        return cls(empty, empty, empty).with_users(history)

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        residual, count = (
            np.empty((history.n_users + 1, len(GENRES))) for _ in range(2)
        )
        for genre, has_it in enumerate(history.catalogue.genre_flags.T == 1):
            rows = np.flatnonzero(has_it[history.movie_index])
            users = history.user_index[rows]
            residual[:, genre] = np.bincount(
                users, history.residual[rows], history.n_users + 1
            )
            count[:, genre] = np.bincount(users, minlength=history.n_users + 1)
        return type(self)(
            *(table.astype(np.float32) for table in (residual, count, np.log1p(count)))
        )

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return tuple(
            f"affinity_{name}" for name in ("mean", "max", "min", "log_count", "pooled")
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {
            "residual": self.residual,
            "count": self.count,
            "log_count": self.log_count,
        }
