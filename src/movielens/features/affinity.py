"""Affinity: how much better than expected the user likes the movie's genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.columns import GENRES
from movielens.features.history import History
from movielens.features.matrix import Floats
from movielens.features.rows import Tables


@dataclass(frozen=True, slots=True, eq=False)
class Affinity:
    """How much better than expected the user likes each genre.

    Attributes:
        residual: float32 (n_users + 1, 18), sums of residuals over the user's movies of a genre.
        count: float32 (n_users + 1, 18), how many movies those are.
        log_count: float32 (n_users + 1, 18), log(1 + count).
    """

    name: ClassVar[str] = "affinity"

    residual: Floats
    count: Floats
    log_count: Floats

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        empty = np.empty((0, len(GENRES)), dtype=np.float32)
        return cls(empty, empty, empty).with_users(history)

    def with_users(self, history: History) -> Self:
        """As the protocol says."""
        flags = np.nan_to_num(history.catalogue.genre_flags)[history.movie_index]
        columns = range(flags.shape[1])
        residual = [history.per_user(history.residual * flags[:, genre]) for genre in columns]
        count = [history.per_user(flags[:, genre].astype(np.float64)) for genre in columns]
        tables = np.column_stack(residual), np.column_stack(count), np.log1p(np.column_stack(count))
        return type(self)(*(table.astype(np.float32) for table in tables))

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return tuple(f"affinity_{name}" for name in ("mean", "max", "min", "log_count", "pooled"))

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"residual": self.residual, "count": self.count, "log_count": self.log_count}
