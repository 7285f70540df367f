"""Affinity: how much better than expected the user likes the movie's genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.columns import GENRES
from movielens.features.history import History
from movielens.features.matrix import Floats, row_sums
from movielens.features.rows import Rows

# Puts the genres that a movie doesn't have out of the running for a largest or smallest value.
_ABSENT = np.float32(1e6)


@dataclass(frozen=True, slots=True, eq=False)
class Affinity:
    """How much better than expected the user likes each genre.

    Attributes:
        residual: float32 (n_users + 1, 18), sums of residuals over the user's movies of a genre.
        count: float32 (n_users + 1, 18), how many movies those are.
        log_count: float32 (n_users + 1, 18), log(1 + count).
    """

    name: ClassVar[str] = "affinity"
    SHRINKAGE: ClassVar[float] = 8.0

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

    def transform(self, rows: Rows) -> Floats:
        """As the protocol says."""
        flags = rows.catalogue.genre_flags[rows.movie_index]
        residual, count = self.residual[rows.user_index], self.count[rows.user_index]
        affinity = residual / (count + np.float32(self.SHRINKAGE))
        summed = np.empty((len(rows), 5, flags.shape[1]), dtype=np.float32)
        for place, values in enumerate((affinity, self.log_count[rows.user_index], residual, count)):
            np.multiply(values, flags, out=summed[:, place])
        summed[:, 4] = flags
        of_affinity, of_log_count, of_residual, of_count, n_genres = row_sums(summed).T
        out = np.empty((len(rows), 5), dtype=np.float32)
        out[:, 0] = of_affinity / n_genres
        # Where the genres aren't known their flags are NaN, and so is every column.
        out[:, 1] = (affinity - _ABSENT * (1 - flags)).max(axis=1)
        out[:, 2] = (affinity + _ABSENT * (1 - flags)).min(axis=1)
        out[:, 3] = of_log_count / n_genres
        out[:, 4] = of_residual / (of_count + np.float32(self.SHRINKAGE))
        return out
