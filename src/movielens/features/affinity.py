"""Affinity: how much better than expected the user likes the movie's genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import Catalogue, History
from movielens.features.matrix import Floats, Rows, weighted_sum


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
        flags = np.nan_to_num(history.catalogue.genre_flags)[history.movie_index]
        columns = range(flags.shape[1])
        residual = [history.per_user(history.residual * flags[:, genre]) for genre in columns]
        count = [history.per_user(flags[:, genre].astype(np.float64)) for genre in columns]
        tables = np.column_stack(residual), np.column_stack(count), np.log1p(np.column_stack(count))
        return cls(*(table.astype(np.float32) for table in tables))

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return tuple(f"affinity_{name}" for name in ("mean", "max", "min", "log_count", "pooled"))

    def transform(self, rows: Rows, catalogue: Catalogue) -> Floats:
        """As the protocol says."""
        flags = catalogue.genre_flags[rows.movie_index]
        has = flags == 1
        residual, count = self.residual[rows.user_index], self.count[rows.user_index]
        affinity = residual / (count + np.float32(self.SHRINKAGE))
        # NaN where the genres aren't known, which makes every column NaN.
        n_genres = _over(flags, has) + flags[:, 0] * 0
        columns = [
            _over(affinity, has) / n_genres,
            np.where(has, affinity, -np.inf).max(axis=1) + n_genres * 0,
            np.where(has, affinity, np.inf).min(axis=1) + n_genres * 0,
            _over(self.log_count[rows.user_index], has) / n_genres,
            _over(residual, has) / (_over(count, has) + np.float32(self.SHRINKAGE)) + n_genres * 0,
        ]
        return np.column_stack(columns).astype(np.float32)


def _over(values: Floats, has: NDArray[np.bool_]) -> Floats:
    """Row by row the sum over the genres that the movie has."""
    return weighted_sum(np.where(has, values, np.float32(0)), np.ones(values.shape[1], dtype=np.float32))
