"""Linear regressions of users' ratings on what is known of movies, one for each user.

The weights are normal with given variances. The sums are made in C (`_regressions.c`),
in the order of the ratings, so that any machine has the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import extension
from movielens.features.training_rows import TrainingRows

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The users' weights.

    Attributes:
        weight: float64 (n_users, n_terms).
        covariance: float64 (n_users, n_terms (n_terms + 1) / 2), lower triangles, row
            by row.
        away: float64 (n_users,), the expected sum of squares that the weights don't
            explain, less the sum of the ratings' squares.
    """

    weight: Matrix
    covariance: Matrix
    away: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over each user's rows, from which the user's regression is solved.

    Attributes:
        square: float64 (n_users, n_terms (n_terms + 1) / 2), of x xᵀ, lower triangles.
        product: float64 (n_users, n_terms), of x times the residual.
    """

    square: Matrix
    product: Matrix

    def solved(self, variance: Matrix) -> Weights:
        """The users' weights.

        Args:
            variance: float64 (n_terms + 1,), of the weights; the last one is of
                ratings, as far as weights don't explain them.
        """
        n_users = len(self.product)
        found = Weights(
            weight=np.empty_like(self.product),
            covariance=np.empty_like(self.square),
            away=np.empty(n_users),
        )
        moments = {"square": self.square, "product": self.product}
        results = {
            "weight": found.weight,
            "covariance": found.covariance,
            "away": found.away,
        }
        extension().find_weights(moments, {"variance": variance}, results)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Regressions:
    """The rows of some users, and the terms of movies.

    Attributes:
        n_users: how many, at least one.
        n_terms: how many.
        given: the tables that the extension reads.
    """

    n_users: int
    n_terms: int
    given: dict[str, NDArray[Any]]

    @classmethod
    def of(
        cls,
        training: TrainingRows,
        terms: Matrix,
        start: NDArray[np.int64],
        users: NDArray[np.int64],
    ) -> Self:
        """Of the given users.

        Args:
            training: the rows.
            terms: float64 (n_movies + 1, n_terms), what is known of each movie.
            start: int64 (n_users + 2,), where each user's rows begin.
            users: int64 (n_chosen,), indexes of users.
        """
        given = {
            "first": start[users],
            "end": start[users + 1],
            "movie": training.movie_index,
            "residual": training.residual,
            "terms": terms,
        }
        return cls(len(users), terms.shape[1], given)

    @classmethod
    def of_rows(cls, terms: Matrix, residual: Matrix, start: NDArray[np.int64]) -> Self:
        """Of users whose rows have terms of their own.

        Args:
            terms: float64 (n_rows, n_terms).
            residual: float64 (n_rows,).
            start: int64 (n_users + 1,), where each user's rows begin.
        """
        given = {
            "first": start[:-1],
            "end": start[1:],
            "movie": np.arange(len(residual)),
            "residual": residual,
            "terms": terms,
        }
        return cls(len(start) - 1, terms.shape[1], given)

    def moments(self) -> Moments:
        """The sums over each user's rows."""
        n_pairs = self.n_terms * (self.n_terms + 1) // 2
        square = np.empty((self.n_users, n_pairs))
        product = np.empty((self.n_users, self.n_terms))
        sums = {"square": square, "product": product}
        extension().sum_moments(self.given, sums)
        return Moments(square, product)

    def fits(self, weights: Weights) -> tuple[Matrix, Matrix]:
        """What the weights make of the users' rows, and its variance.

        Both are float64 (n_rows,) over the rows from the first user's to the last's.
        """
        first = self.given["first"][0]
        rows = slice(first, self.given["end"][-1])
        n_rows = rows.stop - rows.start
        expected = np.empty(n_rows)
        spread = np.empty(n_rows)
        given = self.given | {
            "first": self.given["first"] - first,
            "end": self.given["end"] - first,
            "movie": self.given["movie"][rows],
            "residual": self.given["residual"][rows],
        }
        found = {"weight": weights.weight, "covariance": weights.covariance}
        fits = {"expected": expected, "spread": spread}
        extension().find_fits(given, found, fits)
        return expected, spread


def users_in_blocks(n_users: int, most: int = 256) -> list[slice]:
    """Users, as many at once as keep their matrices small."""
    firsts = range(0, n_users, most)
    return [slice(first, min(first + most, n_users)) for first in firsts]
