"""Histograms: which classes the user gives and the movie gets, and what the two say together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import History
from movielens.features.matrix import Floats
from movielens.features.rows import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """Which classes the user gives and the movie gets, and what the two say together.

    Attributes:
        user: float32 (n_users + 1, n_classes), shrunk towards the prior; a row sums to 1.
        movie: float32 (n_movies + 1, n_classes), likewise.
        prior: float32 (n_classes,).
        class_values: float32 (n_classes,), stars.
        quantile: float32 (n_movies + 1,), where the movie stands on average in its raters' own distributions, 0 to 1.
    """

    name: ClassVar[str] = "histograms"
    SHRINKAGE: ClassVar[float] = 5.0

    user: Floats
    movie: Floats
    prior: Floats
    class_values: Floats
    quantile: Floats

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        n_classes = len(history.scale.class_values)
        prior = np.bincount(history.class_index, minlength=n_classes) / len(history.class_index)
        user = cls._histogram(history.user_index, history.class_index, history.n_users + 1, prior)
        movie = cls._histogram(history.movie_index, history.class_index, history.n_movies + 1, prior)
        below = np.cumsum(user, axis=1) - user / 2
        quantile = (history.per_movie(below[history.user_index, history.class_index]) + 2) / (history.per_movie() + 4)
        tables = (user, movie, prior, np.array(history.scale.class_values), quantile)
        return cls(*(table.astype(np.float32) for table in tables))

    def with_users(self, history: History) -> Self:
        """As the protocol says."""
        prior = self.prior.astype(np.float64)
        user = self._histogram(history.user_index, history.class_index, history.n_users + 1, prior)
        return replace(self, user=user.astype(np.float32))

    @classmethod
    def _histogram(
        cls, index: NDArray[np.int64], class_index: NDArray[np.int64], n_rows: int, prior: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        counts = np.bincount(index * len(prior) + class_index, minlength=n_rows * len(prior)).reshape(n_rows, -1)
        table: NDArray[np.float64] = (counts + cls.SHRINKAGE * prior) / (
            counts.sum(axis=1, keepdims=True) + cls.SHRINKAGE
        )
        return table

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        stars = [f"{value:g}" for value in self.class_values]
        shares = (f"{side}_share_{value}" for side in ("user", "movie", "joint") for value in stars)
        return (*shares, "joint_mean", "user_mode", "user_half_share", "movie_quantile", "movie_quantile_for_user")

    def transform(self, rows: Rows) -> Floats:
        """As the protocol says."""
        user, movie, n_classes = self.user[rows.user_index], self.movie[rows.movie_index], len(self.prior)
        with np.errstate(invalid="ignore", divide="ignore"):
            joint = user * np.sqrt(np.where(self.prior > 0, movie / self.prior, 0))
        joint /= np.cumsum(joint, axis=1)[:, -1:]
        quantile = self.quantile[rows.movie_index]
        reached = (np.cumsum(user, axis=1) < quantile[:, None]).sum(axis=1)
        out = np.empty((len(rows), 3 * n_classes + 5), dtype=np.float32)
        out[:, :n_classes], out[:, n_classes : 2 * n_classes], out[:, 2 * n_classes : 3 * n_classes] = (
            user,
            movie,
            joint,
        )
        rest = out[:, 3 * n_classes :]
        rest[:, 0] = np.cumsum(joint * self.class_values, axis=1)[:, -1]
        rest[:, 1] = self.class_values[user.argmax(axis=1)]
        rest[:, 2] = np.cumsum(user * (self.class_values % 1 != 0), axis=1)[:, -1]
        rest[:, 3] = quantile
        rest[:, 4] = self.class_values[np.minimum(reached, n_classes - 1)]
        return out
