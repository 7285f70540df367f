"""What the bias leaves unexplained of all ratings, by user and by movie, as sums over
pairs of ratings need it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """What the bias leaves unexplained of all ratings, by one of their two sides.

    Attributes:
        start: int64 (n + 1,), those of user (or movie) i are start[i] to start[i + 1].
        index: int32 (n_ratings,), the movies (or users), rising within each.
        residual: float64 (n_ratings,).
    """

    start: NDArray[np.int64]
    index: NDArray[np.int32]
    residual: NDArray[np.float64]

    @classmethod
    def by_user(cls, history: TrainingRows) -> Self:
        """Of each user, and of a last one who is unknown and has none."""
        return cls._of(history.per_user(), history.movie_index, history.residual)

    @classmethod
    def by_movie(cls, history: TrainingRows) -> Self:
        """Of each movie, and of a last one likewise."""
        order = np.argsort(history.movie_index, kind="stable")
        return cls._of(
            history.per_movie(), history.user_index[order], history.residual[order]
        )

    def among(self, own: NDArray[np.int64], others: NDArray[np.int64]) -> Self:
        """The same with none but those of either side that have any, whose indexes are
        given, counted anew.
        """
        index = np.searchsorted(others, self.index).astype(np.int32)
        return replace(self, start=self.start[np.append(own, -1)], index=index)

    @classmethod
    def _of(
        cls,
        count: NDArray[np.float64],
        index: NDArray[np.int64],
        residual: NDArray[np.float64],
    ) -> Self:
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return cls(start, index.astype(np.int32), residual)
