"""The residuals of all ratings, grouped by user or by movie.

A residual is what the bias leaves unexplained of a rating.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.training_rows import TrainingRows


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
        return cls._of(training.per_user(), training.movie_index, training.residual)

    @classmethod
    def by_movie(cls, training: TrainingRows) -> Self:
        """By movie; a last one, which is unknown, has none."""
        order = np.argsort(training.movie_index, kind="stable")
        return cls._of(
            training.per_movie(), training.user_index[order], training.residual[order]
        )

    def among(self, own: NDArray[np.int64], others: NDArray[np.int64]) -> Self:
        """The same with only those that have ratings, numbered anew.

        Args:
            own: the indexes of this side that have ratings, rising.
            others: those of the other side, rising.
        """
        index = np.searchsorted(others, self.index)
        # Those left out have no ratings, so others begin where they did.
        start = self.start[np.append(own, -1)]
        return replace(self, start=start, index=index.astype(np.int32))

    @classmethod
    def _of(
        cls,
        count: NDArray[np.float64],
        index: NDArray[np.int64],
        residual: NDArray[np.float64],
    ) -> Self:
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return cls(start, index.astype(np.int32), residual)
