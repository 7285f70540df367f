"""How alike any two movies are by what their raters thought of them (or two users, by the movies that both rated)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import History
from movielens.features.matrix import Floats
from movielens.features.rows import extension


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """What the bias leaves unexplained of all ratings, by one of their two sides.

    Attributes:
        start: int64 (n + 1,), those of user (or movie) i are start[i] to start[i + 1].
        index: int32 (n_ratings,), the movies (or users), rising within each.
        residual: float32 (n_ratings,).
    """

    start: NDArray[np.int64]
    index: NDArray[np.int32]
    residual: Floats

    @classmethod
    def by_user(cls, history: History) -> Self:
        """Of each user."""
        return cls._of(history.per_user()[:-1], history.movie_index, history.residual)

    @classmethod
    def by_movie(cls, history: History) -> Self:
        """Of each movie."""
        order = np.argsort(history.movie_index, kind="stable")
        return cls._of(history.per_movie()[:-1], history.user_index[order], history.residual[order])

    @classmethod
    def _of(cls, count: NDArray[np.float64], index: NDArray[np.int64], residual: NDArray[np.float64]) -> Self:
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return cls(start, index.astype(np.int32), residual.astype(np.float32))


def find_likest(items: Opinions, raters: Opinions, shrinkage: float, most: int) -> tuple[NDArray[np.int32], Floats]:
    """The items likest to each, likest first, and how alike: int32 and float32 (n_items + 1, most).

    Where there are no more they are n_items and 0. Two items are alike by
    Σ e e' / (√(Σe² Σe'²) + 0.3 h) · N / (N + h) over the N raters of both, where that is above 0 and N at least 2; h is
    the shrinkage. Sums are float32, by rising rater.
    """
    n_items = len(items.start) - 1
    neighbour = np.full((n_items + 1, most), n_items, dtype=np.int32)
    likeness = np.zeros((n_items + 1, most), dtype=np.float32)
    ratings = {
        "item_start": items.start,
        "rater": items.index,
        "opinion": items.residual,
        "rater_start": raters.start,
        "item": raters.index,
        "its_opinion": raters.residual,
        "shrinkage": np.array([shrinkage], dtype=np.float32),
    }
    extension().find_likest(ratings, {"neighbour": neighbour, "likeness": likeness})
    return neighbour, likeness
