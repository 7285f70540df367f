"""Factors: what users of like opinions thought, as the product of a user's and a
movie's vector.

A matrix factorization of what the bias leaves unexplained, by variational Bayes (Lim
and Teh 2007): alternating closed-form steps that keep how uncertain each vector is, so
that a movie with few ratings is not taken at its word. A movie's vector is drawn
towards what its genres and decade lead one to expect. Both have an intercept as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables, extension
from movielens.features.matrix import Floats
from movielens.features.opinions import Opinions
from movielens.features.training_rows import Catalogue, TrainingRows

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
    MAX_ROWS: ClassVar[int] = 2_000_000
    LEAST: ClassVar[float] = 1e-6
    INITIAL_VARIANCE: ClassVar[float] = 0.01
    INTERCEPT_VARIANCE: ClassVar[float] = 0.005

    user: Floats
    movie: Floats
    spread: Floats
    noise: NDArray[np.float64]

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        # The movies' vectors are learnt from so many ratings, the users' are then found
        # from all of them.
        learnt = history.of_some_users(cls.MAX_ROWS)
        rated, content = np.unique(learnt.movie_index), _content(history.catalogue)
        movie, spread, weights, noise = cls._alternate(learnt, rated, content[rated])
        # A movie without ratings is what its content leads one to expect.
        of_all, variance = content @ weights, np.zeros((len(content), cls.RANK + 1))
        of_all[rated], variance[rated] = movie, spread[:, _diagonal(cls.RANK + 1)]
        of_all[-1] = 0
        fitted = cls(
            np.empty(0, np.float32),
            of_all.astype(np.float32),
            variance.astype(np.float32),
            np.array([noise]),
        )
        return fitted.with_users(history)

    @classmethod
    def _alternate(
        cls, history: TrainingRows, rated: NDArray[np.int64], content: Matrix
    ) -> tuple[Matrix, Matrix, Matrix, float]:
        """Vectors of the rated movies, their covariances, what content says of vectors,
        and the noise.
        """
        rating = np.unique(history.user_index)
        by_user = Opinions.by_user(history).among(rating, rated)
        by_movie = Opinions.by_movie(history).among(rated, rating)
        movie = np.random.default_rng(cls.SEED).normal(
            0, 0.1, (len(rated), cls.RANK + 1)
        )
        movie[:, -1] = 0
        spread, expected = (
            np.zeros((len(rated), _n_pairs(cls.RANK + 1))),
            np.zeros_like(movie),
        )
        movie_prior, noise = (
            np.full(cls.RANK + 1, 1 / cls.INITIAL_VARIANCE),
            float(history.residual.var()),
        )
        for _ in range(cls.SWEEPS):
            noise = max(noise, cls.LEAST)
            user, user_spread, _ = cls._users(by_user, movie, spread, noise)
            movie, spread, left = _find_vectors(
                by_movie, user, user_spread, movie_prior, movie_prior * expected, noise
            )
            noise = float(left.sum()) / len(history.residual)
            weights, expected, movie_prior = cls._prior(content, movie, spread)
        return movie, spread, weights, max(noise, cls.LEAST)

    @classmethod
    def _users(
        cls, by_user: Opinions, movie: Matrix, spread: Matrix, noise: float
    ) -> tuple[Matrix, Matrix, Matrix]:
        """As `_find_vectors`, for the users."""
        prior = np.append(np.ones(cls.RANK), 1 / cls.INTERCEPT_VARIANCE)
        shift = np.zeros((len(by_user.start) - 1, cls.RANK + 1))
        return _find_vectors(by_user, movie, spread, prior, shift, noise)

    @staticmethod
    def _prior(
        content: Matrix, movie: Matrix, spread: Matrix
    ) -> tuple[Matrix, Matrix, Matrix]:
        """What content says of movies' vectors: weights, the vectors expected, and how
        precisely, (d,).
        """
        weights: Matrix = np.linalg.solve(
            content.T @ content + 10 * np.eye(content.shape[1]), content.T @ movie
        )
        expected = content @ weights
        variance = (
            (movie - expected) ** 2 + spread[:, _diagonal(movie.shape[1])]
        ).mean(axis=0)
        return weights, expected, 1 / np.maximum(variance, Factors.LEAST)

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        d = self.RANK + 1
        spread = np.zeros((len(self.movie), _n_pairs(d)))
        spread[:, _diagonal(d)] = self.spread
        user, *_ = self._users(
            Opinions.by_user(history),
            self.movie.astype(np.float64),
            spread,
            float(self.noise[0]),
        )
        return replace(self, user=user.astype(np.float32))

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return "factors_residual", "factors_user", "factors_movie"

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"user": self.user, "movie": self.movie}


def _content(catalogue: Catalogue) -> Matrix:
    """Of each movie: a constant, flags of its genres and of its decade."""
    flags = np.nan_to_num(catalogue.genre_flags).astype(np.float64)
    decade = np.nan_to_num(catalogue.year) // 10
    decades = np.unique(decade)
    return np.column_stack([np.ones(len(flags)), flags, decade[:, None] == decades])


def _n_pairs(d: int) -> int:
    """Elements of a triangle, the diagonal among them."""
    return d * (d + 1) // 2


def _diagonal(d: int) -> NDArray[np.int64]:
    """Where the diagonal stands in a lower triangle, row by row."""
    return np.cumsum(np.arange(1, d + 1)) - 1


def _find_vectors(
    opinions: Opinions,
    vector: Matrix,
    covariance: Matrix,
    precision: Matrix,
    shift: Matrix,
    noise: float,
) -> tuple[Matrix, Matrix, Matrix]:
    """Vectors (n, d) of one side, their covariances (n, d (d + 1) / 2), lower
    triangles, and what is left unexplained.

    Args:
        opinions: of that side.
        vector, covariance: of the other side.
        precision: (d,), of the prior.
        shift: (n, d), the prior's means times its precision.
        noise: variance of a rating that the vectors don't explain.
    """
    n, d = shift.shape
    found = {
        "vector": np.empty((n, d)),
        "covariance": np.empty((n, _n_pairs(d))),
        "left": np.empty(n),
    }
    given = {
        "start": opinions.start,
        "other": opinions.index,
        "rating": opinions.residual,
        "vector": vector,
        "covariance": covariance,
        "precision": precision,
        "shift": shift,
        "noise": np.array([noise]),
    }
    extension().find_vectors(given, found)
    return found["vector"], found["covariance"], found["left"]
