"""Factors: what users of like opinions thought, as the product of a user's and a movie's vector.

A matrix factorization of what the bias leaves unexplained, by variational Bayes (Lim and Teh 2007): alternating
closed-form steps that keep how uncertain each vector is, so that a movie with few ratings is not taken at its word. A
movie's vector is drawn towards what its genres and decade lead one to expect. Both have an intercept as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import Catalogue, History
from movielens.features.matrix import Floats
from movielens.features.rows import Tables

Matrix = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """What users of like opinions thought.

    Attributes:
        user: float32 (n_users + 1, RANK + 1), a vector and its intercept.
        movie: float32 (n_movies + 1, RANK + 1), likewise.
        spread: float32 (n_movies + 1, RANK + 1), variances of the movies' vectors.
        noise: float64 (1,), variance of a rating that the vectors don't explain.
    """

    name: ClassVar[str] = "factors"
    RANK: ClassVar[int] = 10
    SWEEPS: ClassVar[int] = 20
    SEED: ClassVar[int] = 1
    LEAST: ClassVar[float] = 1e-6
    INITIAL_VARIANCE: ClassVar[float] = 0.01
    INTERCEPT_VARIANCE: ClassVar[float] = 0.005

    user: Floats
    movie: Floats
    spread: Floats
    noise: NDArray[np.float64]

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        rated, movie_index = np.unique(history.movie_index, return_inverse=True)
        content = _content(history.catalogue)
        movie, spread, weights, noise = cls._alternate(history, movie_index, content[rated])
        # A movie without ratings is what its content leads one to expect.
        of_all, variance = content @ weights, np.zeros((len(content), cls.RANK + 1))
        of_all[rated], variance[rated] = movie, spread[:, _diagonal(cls.RANK + 1)]
        of_all[-1] = 0
        fitted = cls(np.empty(0, np.float32), of_all.astype(np.float32), variance.astype(np.float32), np.array([noise]))
        return fitted.with_users(history)

    @classmethod
    def _alternate(
        cls, history: History, movie_index: NDArray[np.int64], content: Matrix
    ) -> tuple[Matrix, Matrix, Matrix, float]:
        """Vectors of the rated movies, their covariances, what content says of vectors, and the noise."""
        n_movies, residual = len(content), history.residual
        from_user = _incidence(history.user_index, movie_index, history.n_users + 1, n_movies)
        from_movie = from_user.T.tocsr()
        user_sums, movie_sums = from_user.copy(), from_movie.copy()
        movie_order = np.lexsort((history.user_index, movie_index))
        movie = np.random.default_rng(cls.SEED).normal(0, 0.1, (n_movies, cls.RANK + 1))
        movie[:, -1] = 0
        spread, expected = np.zeros_like(_pairs(movie)), np.zeros_like(movie)
        user_prior = np.append(np.ones(cls.RANK), 1 / cls.INTERCEPT_VARIANCE)
        movie_prior, noise = np.full(cls.RANK + 1, 1 / cls.INITIAL_VARIANCE), max(float(residual.var()), cls.LEAST)
        for _ in range(cls.SWEEPS):
            user_sums.data = residual - movie[movie_index, -1]
            design, square = _design(movie, spread)
            user, user_spread = _posterior(from_user @ square / noise, user_sums @ design / noise, user_prior, 0)
            unexplained = residual - user[history.user_index, -1]
            movie_sums.data = unexplained[movie_order]
            design, square = _design(user, user_spread)
            squares, products = from_movie @ square, movie_sums @ design
            movie, spread = _posterior(squares / noise, products / noise, movie_prior, movie_prior * expected)
            explained = 2 * (movie * products).sum() - (_twice(cls.RANK + 1) * (_pairs(movie) + spread) * squares).sum()
            noise = max(float((unexplained**2).sum() - explained) / len(residual), cls.LEAST)
            weights, expected, movie_prior = cls._prior(content, movie, spread)
        return movie, spread, weights, noise

    @staticmethod
    def _prior(content: Matrix, movie: Matrix, spread: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """What content says of movies' vectors: weights, the vectors expected, and how precisely, (d,)."""
        weights: Matrix = np.linalg.solve(content.T @ content + 10 * np.eye(content.shape[1]), content.T @ movie)
        expected = content @ weights
        variance = ((movie - expected) ** 2 + spread[:, _diagonal(movie.shape[1])]).mean(axis=0)
        return weights, expected, 1 / np.maximum(variance, Factors.LEAST)

    def with_users(self, history: History) -> Self:
        """As the protocol says."""
        rated, movie_index = np.unique(history.movie_index, return_inverse=True)
        movie, d = self.movie[rated].astype(np.float64), self.RANK + 1
        spread = np.zeros((len(movie), d * (d + 1) // 2))
        spread[:, _diagonal(d)] = self.spread[rated]
        design, square = _design(movie, spread)
        incidence = _incidence(history.user_index, movie_index, history.n_users + 1, len(rated))
        squares = incidence @ square
        incidence.data = history.residual - movie[movie_index, -1]
        noise, prior = float(self.noise[0]), np.append(np.ones(self.RANK), 1 / self.INTERCEPT_VARIANCE)
        user, _ = _posterior(squares / noise, incidence @ design / noise, prior, 0)
        return replace(self, user=user.astype(np.float32))

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return "factors_residual", "factors_user", "factors_movie"

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"user": self.user, "movie": self.movie}


def _incidence(row: NDArray[np.int64], column: NDArray[np.int64], n_rows: int, n_columns: int) -> Any:
    """Ones where a user rated a movie, (n_rows, n_columns), of rows that are in order."""
    from scipy import sparse

    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
    return sparse.csr_array((np.ones(len(row)), column, start), (n_rows, n_columns))


def _content(catalogue: Catalogue) -> Matrix:
    """Of each movie: a constant, flags of its genres and of its decade."""
    flags = np.nan_to_num(catalogue.genre_flags).astype(np.float64)
    decade = np.nan_to_num(catalogue.year) // 10
    decades = np.unique(decade)
    return np.column_stack([np.ones(len(flags)), flags, decade[:, None] == decades])


def _upper(d: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.triu_indices(d)


def _diagonal(d: int) -> NDArray[np.int64]:
    first, second = _upper(d)
    return np.flatnonzero(first == second)


def _twice(d: int) -> Matrix:
    """How often each element of the upper triangle stands in the whole matrix."""
    first, second = _upper(d)
    return np.where(first == second, 1.0, 2.0)


def _pairs(vectors: Matrix) -> Matrix:
    """Products of all pairs of a vector's elements, the upper triangle, (n, d (d + 1) / 2)."""
    first, second = _upper(vectors.shape[1])
    return vectors[:, first] * vectors[:, second]


def _design(vectors: Matrix, spread: Matrix) -> tuple[Matrix, Matrix]:
    """The other side's expected vectors and squares, with 1 in place of their intercepts."""
    d = vectors.shape[1]
    first, second = _upper(d)
    design = vectors.copy()
    design[:, -1] = 1
    return design, _pairs(design) + np.where((first < d - 1) & (second < d - 1), spread, 0)


def _posterior(square: Matrix, product: Matrix, prior: Matrix, shift: Matrix | float) -> tuple[Matrix, Matrix]:
    """Means (n, d) and covariances, the upper triangle (n, d (d + 1) / 2), of normal vectors.

    ``shift`` is the prior's mean times its precision.
    """
    n, d = product.shape
    first, second = _upper(d)
    precision = np.empty((n, d, d))
    precision[:, first, second] = precision[:, second, first] = square
    precision[:, np.arange(d), np.arange(d)] += prior
    covariance: Matrix = np.linalg.inv(precision)
    mean: Matrix = np.einsum("nij,nj->ni", covariance, product + shift)
    return mean, covariance[:, first, second]
