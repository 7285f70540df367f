"""The residuals of all ratings, grouped by user or by movie.

A residual is what the bias leaves unexplained of a rating.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.training_rows import TrainingRows, starts_of


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """The residuals of all ratings, grouped by one of their two sides.

    Attributes:
        start: int64 (n + 1,), the ratings of user (or movie) i are start[i] to
            start[i + 1].
        index: int32 (n_ratings,), the movies (or users) of these, rising within each.
        residual: float64 (n_ratings,).
    """

    start: NDArray[np.int64]
    index: NDArray[np.int32]
    residual: NDArray[np.float64]

    @classmethod
    def by_user(cls, training: TrainingRows) -> Self:
        """By user; a last one, who is unknown, has none."""
        return cls(
            training.start, training.movie_index.astype(np.int32), training.residual
        )

    @classmethod
    def by_movie(cls, training: TrainingRows) -> Self:
        """By movie; a last one, which is unknown, has none."""
        n_movies = training.n_movies + 1
        # NumPy sorts numbers of 16 bits much faster.
        movie = training.movie_index.astype(np.min_scalar_type(n_movies))
        order = np.argsort(movie, kind="stable")
        user = training.user_index[order]
        start = starts_of(np.bincount(training.movie_index, minlength=n_movies))
        return cls(start, user.astype(np.int32), training.residual[order])

    def among(self, own: NDArray[np.int64], others: NDArray[np.int64]) -> Self:
        """The same with only those that have ratings, numbered anew.

        Args:
            own: the indexes of this side that have ratings, rising.
            others: those of the other side, rising.
        """
        # From old to new indexes of the other side.
        n_old = int(others[-1]) + 1
        n_new = len(others)
        renumbered = np.empty(n_old, dtype=np.int32)
        renumbered[others] = np.arange(n_new)
        index = renumbered[self.index]

        # Those left out have no ratings, so others begin where they did.
        begins = np.append(own, -1)
        start = self.start[begins]
        return replace(self, start=start, index=index)
