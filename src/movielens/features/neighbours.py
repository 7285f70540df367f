"""Neighbours: what the user said of the movies most like this one, likeness being that of their raters' opinions.

For each movie its likest movies are kept, a fixed number, so that the table stays small for any catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import History
from movielens.features.matrix import Floats
from movielens.features.rows import Tables


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """What the user said of the movies most like this one.

    Attributes:
        neighbour: int32 (n_movies + 1, KEPT), the likest movies, likest first, n_movies where there are no more.
        likeness: float32 (n_movies + 1, KEPT), 0 where there are no more.
        prior: float32 (n_classes,), share of each class among all ratings.
    """

    name: ClassVar[str] = "neighbours"
    KEPT: ClassVar[int] = 128
    BEST: ClassVar[int] = 30
    SHRINKAGE: ClassVar[float] = 20.0
    DAY: ClassVar[float] = 86_400.0
    # Cells of the table from users and movies to places in their profiles, 4 bytes each.
    MAX_CELLS: ClassVar[int] = 2**23
    # Pairs of ratings of one user that are compared at once.
    MAX_PAIRS: ClassVar[int] = 2**23

    neighbour: NDArray[np.int32]
    likeness: Floats
    prior: Floats

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        n_movies = history.n_movies
        neighbour = np.full((n_movies + 1, cls.KEPT), n_movies, dtype=np.int32)
        likeness = np.zeros((n_movies + 1, cls.KEPT), dtype=np.float32)
        rated, movie_index = np.unique(history.movie_index, return_inverse=True)
        for movie, other, value in cls._likenesses(history, movie_index, len(rated)):
            order = np.lexsort((other, -value, movie))
            movie, other, value = rated[movie[order]], rated[other[order]], value[order]
            rank = _rank(movie)
            kept = rank < cls.KEPT
            neighbour[movie[kept], rank[kept]] = other[kept]
            likeness[movie[kept], rank[kept]] = value[kept]
        prior = np.bincount(history.class_index, minlength=len(history.scale.class_values)) / len(history.class_index)
        return cls(neighbour, likeness, prior.astype(np.float32))

    @classmethod
    def _likenesses(
        cls, history: History, movie_index: NDArray[np.int64], n_movies: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
        """Pairs of movies that at least two users rated and agree on, and how alike they are, a block of movies each.

        Σ e e' / (√(Σe² Σe'²) + 0.3 h) · N / (N + h) over the N common raters; e is what the bias leaves unexplained.
        """
        from scipy import sparse

        place, shape = (history.user_index, movie_index), (history.n_users + 1, n_movies)
        residual = history.residual.astype(np.float32)
        kinds = (np.ones_like(residual), residual, residual**2)
        rated, opinion, squared = (sparse.csr_array((kind, place), shape) for kind in kinds)
        of_movie = [matrix.T.tocsr() for matrix in (rated, opinion, squared)]
        # Each rating of a movie is compared with all of its user's.
        pairs = np.cumsum(np.bincount(movie_index, history.per_user()[history.user_index]))
        for first, last in _blocks(pairs, cls.MAX_PAIRS, max(1, cls.MAX_CELLS // n_movies)):
            ones, opinions, squares = (matrix[first:last] for matrix in of_movie)
            common = (ones @ rated).tocoo()
            movie, other = common.coords
            # scipy leaves out sums that happen to be 0, so the others are looked up rather than lined up.
            products = (opinions @ opinion, squares @ rated, ones @ squared)
            dot, own, theirs = (product.toarray()[movie, other] for product in products)
            n = common.data
            value = dot / (np.sqrt(own * theirs) + np.float32(0.3 * cls.SHRINKAGE)) * (n / (n + cls.SHRINKAGE))
            kept = (n >= 2) & (value > 0) & (movie + first != other)
            yield movie[kept].astype(np.int64) + first, other[kept].astype(np.int64), value[kept].astype(np.float32)

    def with_users(self, history: History) -> Self:  # noqa: ARG002
        """As the protocol says."""
        return self

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return (
            *(f"neighbours_{kind}" for kind in ("residual", "weight", "count", "recent_residual", "recent_weight")),
            *(f"neighbours_share_{place}" for place in range(1, len(self.prior) + 1)),
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {
            "neighbour": self.neighbour,
            "likeness": self.likeness,
            "prior": self.prior,
            "best": np.array([self.BEST], dtype=np.int64),
            "seconds": np.array([self.DAY]),
        }


def _rank(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2, ... within each run of equal numbers."""
    if not len(group):
        return group
    new = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(new, np.diff(new, append=len(group)))


def _blocks(cumulative: NDArray[Any], most_pairs: int, most_movies: int) -> Iterator[tuple[int, int]]:
    """Ranges of movies within both limits, or of one movie."""
    first, n_movies = 0, len(cumulative)
    while first < n_movies:
        before = cumulative[first - 1] if first else 0
        last = int(np.searchsorted(cumulative, before + most_pairs, side="right"))
        last = max(first + 1, min(last, first + most_movies))
        yield first, last
        first = last
