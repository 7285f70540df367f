"""Factors: what users of similar opinions thought, as a product of two vectors.

A matrix factorization of what the bias leaves unexplained, by variational Bayes (Lim
and Teh 2007). Its alternating closed-form steps keep how uncertain each vector is, so
that a movie with few ratings isn't taken at its word. A movie's vector is drawn towards
what its genres and decade lead one to expect. Users and movies have an intercept too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables, extension
from movielens.features.matrix import Floats
from movielens.features.opinions import Opinions
from movielens.features.parts import Column, Part
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.features.workers import ONE_THREAD, Workers

Matrix = NDArray[Any]


class Vectors(NamedTuple):
    """The vectors of one side, users or movies, each with an intercept at its end.

    Attributes:
        mean: float64 (n, d).
        covariance: float64 (n, d (d + 1) / 2), lower triangles, row by row.
        unexplained: float64 (n,), the expected sum of squares that they leave.
    """

    mean: Matrix
    covariance: Matrix
    unexplained: Matrix


class _Prior(NamedTuple):
    """What a movie's content says of its vector.

    Attributes:
        weights: (n_terms, d), from content to vectors.
        expected: (n_rated, d), the vectors of the rated movies.
        precision: (d,), how precisely they are known.
    """

    weights: Matrix
    expected: Matrix
    precision: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """What users of similar opinions thought.

    Attributes:
        user: float32 (n_users + 1, rank + 1), a vector and its intercept.
        movie: float32 (n_movies + 1, rank + 1), likewise.
        spread: float32 (n_movies + 1, rank + 1), variances of the movies' vectors.
        noise: float64 (1,), variance of a rating that the vectors don't explain.
        intercept_variance: float64 (1,), of the users' intercepts, before any rating.
    """

    name: ClassVar[str] = "factors"
    RANK: ClassVar[int] = 10
    SWEEPS: ClassVar[int] = 20
    SEED: ClassVar[int] = 1
    LEAST_VARIANCE: ClassVar[float] = 1e-6
    INITIAL_VARIANCE: ClassVar[float] = 0.01
    CONTENT_SHRINKAGE: ClassVar[float] = 10

    user: Floats
    movie: Floats
    spread: Floats
    noise: NDArray[np.float64]
    intercept_variance: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        training: TrainingRows,
        most_rows: int = 2_000_000,
        intercept_variance: float = 0.005,
    ) -> Self:
        """Learn the movies' vectors from about ``most_rows``, then the users' from all.

        A movie without ratings has the vector that its content leads one to expect.
        """
        learnt = training.of_some_users(most_rows)
        content = _content(training.catalogue)
        rated = np.flatnonzero(learnt.per_movie())
        movie, prior, noise = cls._alternate(
            learnt, rated, content[rated], intercept_variance
        )

        d = cls.RANK + 1
        mean = content @ prior.weights
        mean[rated] = movie.mean
        mean[-1] = 0
        variance = np.zeros((len(content), d))
        variance[rated] = movie.covariance[:, _diagonal(d)]
        fitted = cls(
            user=np.empty((0, d), np.float32),
            movie=mean.astype(np.float32),
            spread=variance.astype(np.float32),
            noise=np.array([noise]),
            intercept_variance=np.array([intercept_variance]),
        )
        return fitted.with_users(training)

    @classmethod
    def _alternate(
        cls,
        training: TrainingRows,
        rated: NDArray[np.int64],
        content: Matrix,
        intercept_variance: float,
    ) -> tuple[Vectors, _Prior, float]:
        """Find the vectors of users and of the rated movies in turn.

        Returns the movies' vectors, what content says of them, and the noise.
        """
        d = cls.RANK + 1
        n_rated = len(rated)
        raters = np.flatnonzero(training.user_counts())
        by_user = Opinions.by_user(training).among(raters, rated)
        by_movie = Opinions.by_movie(training).among(rated, raters)

        start = np.random.default_rng(cls.SEED).normal(0, 0.1, (n_rated, d))
        start[:, -1] = 0
        movie = Vectors(start, np.zeros((n_rated, _n_pairs(d))), np.zeros(n_rated))
        prior = _Prior(
            weights=np.zeros((content.shape[1], d)),
            expected=np.zeros((n_rated, d)),
            precision=np.full(d, 1 / cls.INITIAL_VARIANCE),
        )
        noise = float(training.residual.var())
        workers = training.workers
        content_square = content.T @ content
        for _ in range(cls.SWEEPS):
            noise = max(noise, cls.LEAST_VARIANCE)
            user = _find_users(by_user, movie, intercept_variance, noise, workers)
            shift = prior.precision * prior.expected
            movie = _find_vectors(
                by_movie, user, prior.precision, shift, noise, workers
            )
            noise = float(movie.unexplained.sum()) / len(training.residual)
            prior = cls._fit_prior(content, content_square, movie)
        return movie, prior, max(noise, cls.LEAST_VARIANCE)

    @classmethod
    def _fit_prior(
        cls, content: Matrix, content_square: Matrix, movie: Vectors
    ) -> _Prior:
        """A ridge regression of the movies' vectors on their content."""
        ridge = cls.CONTENT_SHRINKAGE * np.eye(content.shape[1])
        square = content_square + ridge
        product = content.T @ movie.mean
        weights: Matrix = np.linalg.solve(square, product)

        expected = content @ weights
        away = movie.mean - expected
        own_variance = movie.covariance[:, _diagonal(movie.mean.shape[1])]
        variance = (away**2 + own_variance).mean(axis=0)
        precision = 1 / np.maximum(variance, cls.LEAST_VARIANCE)
        return _Prior(weights, expected, precision)

    def with_users(self, training: TrainingRows) -> Self:
        """The users' vectors, given those of the movies."""
        n_movies, d = self.movie.shape
        covariance = np.zeros((n_movies, _n_pairs(d)))
        covariance[:, _diagonal(d)] = self.spread
        movie = Vectors(self.movie.astype(np.float64), covariance, np.zeros(n_movies))
        user = _find_users(
            Opinions.by_user(training),
            movie,
            float(self.intercept_variance[0]),
            float(self.noise[0]),
            training.workers,
        )
        return replace(self, user=user.mean.astype(np.float32))

    def columns(self) -> tuple[Column, ...]:
        """What the vectors and intercepts add up to, and the intercepts."""
        return (
            Column("factors_residual", Part.USER),
            Column("factors_user", Part.USER),
            Column("factors_movie", Part.MOVIE),
        )

    def tables(self) -> Tables:
        """The vectors."""
        return {"user": self.user, "movie": self.movie}


def _content(catalogue: Catalogue) -> Matrix:
    """Of each movie: a constant, and flags of its genres and of its decade."""
    flags = np.nan_to_num(catalogue.genre_flags).astype(np.float64)
    constant = np.ones(len(flags))
    decade = np.nan_to_num(catalogue.year) // 10
    is_decade = decade[:, None] == np.unique(decade)
    return np.column_stack([constant, flags, is_decade])


def _n_pairs(d: int) -> int:
    """How many elements a triangle with its diagonal has."""
    return d * (d + 1) // 2


def _diagonal(d: int) -> NDArray[np.int64]:
    """Where the diagonal is in a lower triangle, row by row."""
    return np.cumsum(np.arange(1, d + 1)) - 1


def _find_users(
    opinions: Opinions,
    movie: Vectors,
    intercept_variance: float,
    noise: float,
    workers: Workers,
) -> Vectors:
    """The users' vectors; before any rating, they are normal around 0."""
    d = movie.mean.shape[1]
    n_users = len(opinions.start) - 1
    precision = np.ones(d)
    precision[-1] = 1 / intercept_variance
    shift = np.zeros((n_users, d))
    return _find_vectors(opinions, movie, precision, shift, noise, workers)


def _find_vectors(
    opinions: Opinions,
    other: Vectors,
    precision: Matrix,
    shift: Matrix,
    noise: float,
    workers: Workers = ONE_THREAD,
) -> Vectors:
    """The vectors of one side, given those of the other.

    Args:
        opinions: of this side.
        other: the vectors of the other side.
        precision: (d,), of this side's prior.
        shift: (n, d), the prior's means times its precision.
        noise: variance of a rating that the vectors don't explain.
        workers: who share the work.
    """
    n, d = shift.shape
    found = Vectors(np.empty((n, d)), np.empty((n, _n_pairs(d))), np.empty(n))
    given = {
        "start": opinions.start,
        "other": opinions.index,
        "rating": opinions.residual,
        "square": _squares(other, workers),
        "precision": precision,
        "shift": shift,
        "noise": np.array([noise]),
    }
    results = {
        "vector": found.mean,
        "covariance": found.covariance,
        "unexplained": found.unexplained,
    }

    def find(part: tuple[int, int]) -> None:
        extension().find_vectors(given, results, *part)

    workers.map(find, workers.parts(opinions.start))
    return found


def _squares(vectors: Vectors, workers: Workers) -> Matrix:
    """The expected squares of vectors, as the extension lays them out."""
    n, d = vectors.mean.shape
    square = np.empty((n, square_width(d)))
    given = {"vector": vectors.mean, "covariance": vectors.covariance}

    def fill(part: tuple[int, int]) -> None:
        extension().square_vectors(given, {"square": square}, *part)

    workers.map(fill, workers.parts(np.zeros(n + 1, np.int64)))
    return square


def square_width(d: int) -> int:
    """How many elements the extension needs for the expected square of a vector."""
    return _padded(d + 1) + _padded(_n_pairs(d - 1))


def _padded(n_elements: int) -> int:
    """The next multiple of the extension's vectors."""
    n_lanes: int = extension().N_LANES
    return -(-n_elements // n_lanes) * n_lanes
