"""Slopes: whether the user prefers newer, more popular or better liked movies, and what
that says of this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """Whether the user prefers newer, more popular or better liked movies, and what
    that says of this one.

    Attributes:
        movie: float32 (n_movies + 1, 3): year, log(1 + count) and bias of the movie,
            standardised over the training rows.
        centre: float32 (n_users + 1, 3), the user's own mean of each.
        slope: float32 (n_users + 1, 3), stars a standard deviation.
    """

    name: ClassVar[str] = "slopes"
    COLUMNS: ClassVar[tuple[str, ...]] = ("year", "popularity", "liking")
    SHRINKAGE: ClassVar[float] = 20.0

    movie: Floats
    centre: Floats
    slope: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        movie = np.column_stack(
            [
                history.catalogue.filled_years(),
                np.log1p(history.per_movie()),
                history.bias.movie,
            ]
        )
        seen = movie[history.movie_index]
        spread = seen.std(axis=0)
        movie = ((movie - seen.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(
            np.float32
        )
        return cls(movie, movie[:0], movie[:0]).with_users(history)

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        tables = [
            self._slope(history, value) for value in self.movie.T.astype(np.float64)
        ]
        centre, slope = (
            np.column_stack(columns).astype(np.float32)
            for columns in zip(*tables, strict=True)
        )
        return replace(self, centre=centre, slope=slope)

    @classmethod
    def _slope(
        cls, history: TrainingRows, value: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        seen = value[history.movie_index]
        centre = history.per_user(seen) / np.maximum(history.per_user(), 1)
        away = seen - centre[history.user_index]
        return centre, history.per_user(away * history.residual) / (
            history.per_user(away**2) + cls.SHRINKAGE
        )

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return tuple(
            f"{kind}_{column}"
            for kind in ("slope", "sloped", "centre", "away")
            for column in self.COLUMNS
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"movie": self.movie, "centre": self.centre, "slope": self.slope}
