"""Taste: what the user's ratings say of a movie by its genres, its time and its
standing, and how ratings of alike movies differed from that.

Each user has a linear regression of what the bias leaves unexplained on what is known
of movies without their raters' opinions. The weights are normal with one variance a
feature, which expectation-maximization finds over the users (Bishop 2006, section 3.5),
so that a user with few ratings is like everybody.

What a regression leaves unexplained of a rating that it was fitted on is too small. It
is divided by one less the rating's leverage, which is what the fit without that rating
would leave (Cook and Weisberg 1982, section 2.2); the leverage in the two biases is
added to the user's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.profiles import latest
from movielens.features.training_rows import (
    MOVIE_SHRINKAGE,
    USER_SHRINKAGE,
    TrainingRows,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """What the user's ratings say of a movie by its genres, its time and its standing.

    Attributes:
        movie: float32 (n_movies + 1, n_terms), what is known of movies; 0 in the last
            row.
        user: float32 (n_users + 1, n_terms), stars a unit of each.
        variance: float64 (n_terms + 1,), of the users' weights; the last, of a rating
            that they don't explain.
        level: float32 (n_users + 1,), the user's bias and the mean of all ratings, in
            stars.
        liking: float32 (n_movies + 1,), the movie's bias.
        raters: float32 (n_movies + 1,), ratings of each movie.
        genres: int32 (n_movies + 1,), a bit a genre.
        beyond: float32 (n_rated + 1,), of each of the users' own ratings, in the order
            of `Profiles`, what bias and taste would leave unexplained without it.
        prior: float32 (n_classes,), share of each class among all ratings.
    """

    name: ClassVar[str] = "taste"
    SWEEPS: ClassVar[int] = 10
    # Users whose weights the variances are taken from, evenly spread over all.
    MOST_USERS: ClassVar[int] = 4_096
    INITIAL_VARIANCE: ClassVar[float] = 0.05
    LEAST: ClassVar[float] = 1e-6
    MOST_LEVERAGE: ClassVar[float] = 0.8
    SECONDS: ClassVar[tuple[float, ...]] = (
        20.0,
        300.0,
        7_200.0,
        172_800.0,
        5_184_000.0,
    )
    RANKS: ClassVar[tuple[float, ...]] = (3.0, 10.0, 30.0)
    # How many of the user's latest ratings before a row the kernels of time and rank
    # reach.
    WINDOW: ClassVar[int] = 96

    movie: Floats
    user: Floats
    variance: Matrix
    level: Floats
    liking: Floats
    raters: Floats
    genres: NDArray[np.int32]
    beyond: Floats
    prior: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        movie = _terms(history)
        bits = np.nan_to_num(history.catalogue.genre_flags).astype(np.int64) @ (
            1 << np.arange(_n_genres(history))
        )
        fitted = cls(
            movie.astype(np.float32),
            movie[:0].astype(np.float32),
            cls._variances(history, movie),
            np.empty(0, np.float32),
            history.bias.movie.astype(np.float32),
            history.per_movie().astype(np.float32),
            bits.astype(np.int32),
            np.empty(0, np.float32),
            history.class_shares().astype(np.float32),
        )
        return fitted.with_users(history)

    @classmethod
    def _variances(cls, history: TrainingRows, movie: Matrix) -> Matrix:
        """By expectation-maximization over some of the users."""
        start = _starts(history)
        rated = np.flatnonzero(np.diff(start))
        users = rated[:: -(-len(rated) // cls.MOST_USERS)]
        rows = np.concatenate(
            [np.arange(start[user], start[user + 1]) for user in users]
        )
        square, product = _moments(movie, history, users, start)
        total, n = float((history.residual[rows] ** 2).sum()), len(rows)
        variance = np.append(
            np.full(movie.shape[1], cls.INITIAL_VARIANCE), max(total / n, cls.LEAST)
        )
        for _ in range(cls.SWEEPS):
            weight, covariance = _posterior(square, product, variance)
            second = covariance + weight[:, :, None] * weight[:, None, :]
            variance[:-1] = np.diagonal(second, axis1=1, axis2=2).mean(axis=0)
            variance[-1] = (
                total - 2 * (weight * product).sum() + (second * square).sum()
            ) / n
            variance = np.maximum(variance, cls.LEAST)
        return variance

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        start, movie = _starts(history), self.movie.astype(np.float64)
        weights = np.zeros((history.n_users + 1, movie.shape[1]))
        unexplained = np.empty(len(history.residual))
        of_bias = 1 / (history.per_user()[history.user_index] + USER_SHRINKAGE)
        of_bias += 1 / (
            self.raters[history.movie_index].astype(np.float64) + MOVIE_SHRINKAGE
        )
        for users in _blocks(history.n_users):
            square, product = _moments(movie, history, users, start)
            weights[users], covariance = _posterior(square, product, self.variance)
            for place, user in enumerate(users.tolist()):
                rows = slice(start[user], start[user + 1])
                design = movie[history.movie_index[rows]]
                leverage = ((design @ covariance[place]) * design).sum(
                    axis=1
                ) / self.variance[-1] + of_bias[rows]
                left = history.residual[rows] - design @ weights[user]
                unexplained[rows] = left / (
                    1 - np.minimum(leverage, self.MOST_LEVERAGE)
                )
        return replace(
            self,
            user=weights.astype(np.float32),
            level=(history.bias.mean + history.bias.user).astype(np.float32),
            beyond=np.append(unexplained[latest(history)[0]], 0).astype(np.float32),
        )

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        places = range(1, len(self.prior) + 1)
        return (
            "taste_residual",
            *(f"beyond_taste_{seconds:g}s" for seconds in self.SECONDS),
            *(f"beyond_taste_rank_{rank:g}" for rank in self.RANKS),
            *(
                f"alike_{kind}_{what}"
                for kind in ("level", "level_recent")
                for what in ("beyond", "weight")
            ),
            *(
                f"alike_{kind}_{what}"
                for kind in ("genre", "kind", "genre_recent")
                for what in ("beyond", "weight")
            ),
            *(
                f"alike_{kind}_share_{place}"
                for kind in ("level", "level_recent", "kind")
                for place in places
            ),
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {
            "movie": self.movie,
            "user": self.user,
            "level": self.level,
            "liking": self.liking,
            "genres": self.genres,
            "beyond": self.beyond,
            "prior": self.prior,
            "seconds": np.array(self.SECONDS, dtype=np.float32),
            "ranks": np.array(self.RANKS, dtype=np.float32),
            "window": np.array([self.WINDOW], dtype=np.int64),
        }


def _n_genres(history: TrainingRows) -> int:
    return int(history.catalogue.genre_flags.shape[1])


def _terms(history: TrainingRows) -> Matrix:
    """Of each movie: its genres, their squares summing to 1; year and its square,
    popularity and liking, standardised over the training rows; its decade; a constant.
    Float64 (n_movies + 1, n_terms), 0 in the last row.
    """
    catalogue = history.catalogue
    flags = np.nan_to_num(catalogue.genre_flags).astype(np.float64)
    flags /= np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1))
    year = np.nan_to_num(_standardised(catalogue.filled_years(), history))
    popularity = _standardised(np.log1p(history.per_movie()), history)
    liking = _standardised(history.bias.movie, history)
    decade = np.nan_to_num(catalogue.year) // 10
    decades = decade[:, None] == np.unique(decade)
    terms = np.column_stack(
        [
            flags,
            year,
            np.clip(year, -3, 1.5) ** 2,
            popularity,
            liking,
            decades,
            np.ones(len(year)),
        ]
    )
    terms[-1] = 0
    return terms


def _standardised(value: Matrix, history: TrainingRows) -> Matrix:
    seen = value[history.movie_index]
    standardised: Matrix = (value - seen.mean()) / (float(seen.std()) or 1)
    return standardised


def _starts(history: TrainingRows) -> NDArray[np.int64]:
    """Where each user's rows begin, int64 (n_users + 2,)."""
    starts: NDArray[np.int64] = np.concatenate(
        [[0], np.cumsum(history.per_user())]
    ).astype(np.int64)
    return starts


def _blocks(n_users: int, most: int = 4_096) -> Iterator[NDArray[np.int64]]:
    """Users, as many at once as keeps their matrices small."""
    for first in range(0, n_users, most):
        yield np.arange(first, min(first + most, n_users))


def _moments(
    movie: Matrix,
    history: TrainingRows,
    users: NDArray[np.int64],
    start: NDArray[np.int64],
) -> tuple[Matrix, Matrix]:
    """Sums over each user's rows of x xᵀ (n_users, n_terms, n_terms) and of x times the
    residual (n_users, n_terms).
    """
    n = movie.shape[1]
    square, product = np.empty((len(users), n, n)), np.empty((len(users), n))
    for place, user in enumerate(users.tolist()):
        rows = slice(start[user], start[user + 1])
        design = movie[history.movie_index[rows]]
        square[place], product[place] = (
            design.T @ design,
            design.T @ history.residual[rows],
        )
    return square, product


def _posterior(
    square: Matrix, product: Matrix, variance: Matrix
) -> tuple[Matrix, Matrix]:
    """Means (n_users, n_terms) and covariances (n_users, n_terms, n_terms) of the
    users' weights.
    """
    noise = variance[-1]
    covariance: Any = np.linalg.inv(square / noise + np.diag(1 / variance[:-1]))
    return np.einsum("uij,uj->ui", covariance, product) / noise, covariance
