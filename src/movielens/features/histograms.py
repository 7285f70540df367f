"""Histograms: which classes the user gives and the movie gets, and what the two say
together.
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
class Histograms:
    """Which classes the user gives and the movie gets, and what the two say together.

    Attributes:
        user: float32 (n_users + 1, n_classes), shrunk towards the prior; a row sums to
            1.
        movie: float32 (n_movies + 1, n_classes), likewise.
        prior: float32 (n_classes,).
        class_values: float32 (n_classes,), stars.
        quantile: float32 (n_movies + 1,), where the movie stands on average in its
            raters' own distributions, 0 to 1.
    """

    name: ClassVar[str] = "histograms"
    SHRINKAGE: ClassVar[float] = 5.0

    user: Floats
    movie: Floats
    prior: Floats
    class_values: Floats
    quantile: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        prior = history.class_shares()
        user = cls._histogram(
            history.user_index, history.class_index, history.n_users + 1, prior
        )
        movie = cls._histogram(
            history.movie_index, history.class_index, history.n_movies + 1, prior
        )
        below = np.cumsum(user, axis=1) - user / 2
        quantile = (
            history.per_movie(below[history.user_index, history.class_index]) + 2
        ) / (history.per_movie() + 4)
        tables = (user, movie, prior, np.array(history.scale.class_values), quantile)
        return cls(*(table.astype(np.float32) for table in tables))

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        prior = self.prior.astype(np.float64)
        user = self._histogram(
            history.user_index, history.class_index, history.n_users + 1, prior
        )
        return replace(self, user=user.astype(np.float32))

    @classmethod
    def _histogram(
        cls,
        index: NDArray[np.int64],
        class_index: NDArray[np.int64],
        n_rows: int,
        prior: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        counts = np.bincount(
            index * len(prior) + class_index, minlength=n_rows * len(prior)
        ).reshape(n_rows, -1)
        table: NDArray[np.float64] = (counts + cls.SHRINKAGE * prior) / (
            counts.sum(axis=1, keepdims=True) + cls.SHRINKAGE
        )
        return table

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        stars = [f"{value:g}" for value in self.class_values]
        shares = (
            f"{side}_share_{value}"
            for side in ("user", "movie", "joint")
            for value in stars
        )
        return (
            *shares,
            "joint_mean",
            "user_mode",
            "user_half_share",
            "movie_quantile",
            "movie_quantile_for_user",
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        with np.errstate(invalid="ignore", divide="ignore"):
            lift = np.sqrt(
                np.where(self.prior > 0, self.movie / self.prior, np.float32(0))
            )
        halves = (self.class_values % 1 != 0).astype(np.float32)
        return {
            "user": self.user,
            "movie": self.movie,
            "lift": lift,
            "quantile": self.quantile,
            "halves": halves,
        }
