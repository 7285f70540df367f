"""The level: the rating in stars that bias, factors and taste together lead one to
expect of a user and a movie, and what it leaves unexplained of the user's own ratings.

The level isn't a group. It is fitted if one of `LEVEL_GROUPS` is wanted, whose kernels
read its tables. It is a linear regression for each user, on the movies' vectors of
`Factors` and the terms of `Taste`; without one of these groups, on what the other one
knows. The weights are normal around 0. A movie with few ratings, whose vector is
uncertain, counts less.

What the level leaves of a rating is what a level would leave that is fitted without
that rating, by its leverage (see `taste`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.factors import Factors
from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.regressions import Regressions, users_in_blocks
from movielens.features.taste import Taste
from movielens.features.training_rows import Bias, TrainingRows

Matrix = NDArray[np.float64]


class KnownMovies(NamedTuple):
    """What other groups know of movies; the level doesn't store it again.

    Attributes:
        factors: float32 (n_movies + 1, rank + 1), vectors and intercepts.
        uncertainty: float32 (n_movies + 1, rank + 1), variances of these.
        terms: float32 (n_movies + 1, n_terms); the last term is a constant.
        variance: float64 (n_terms,), of users' weights of the terms.
        liking: float32 (n_movies + 1,), the movie's bias.
    """

    factors: Floats
    uncertainty: Floats
    terms: Floats
    variance: Matrix
    liking: Floats

    @classmethod
    def of(cls, groups: Iterable[object], bias: Bias) -> Self:
        """What those of the fitted groups know that know anything of use."""
        n_rows = len(bias.movie)
        factors = np.zeros((n_rows, 1), np.float32)
        uncertainty = factors
        terms = np.ones((n_rows, 1), np.float32)
        terms[-1] = 0
        variance = np.zeros(1)
        for group in groups:
            if isinstance(group, Factors):
                factors = group.movie
                uncertainty = group.spread
            if isinstance(group, Taste):
                terms = group.movie
                variance = group.variance[:-1]
        liking = bias.movie.astype(np.float32)
        return cls(factors, uncertainty, terms, variance, liking)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The rating that all that is known of a user and a movie leads one to expect.

    Attributes:
        movies: what other groups know of them.
        scale: float64 (rank + n_terms,), standard deviations of the users' weights.
        noise: float64 (2,), variance of a rating around the level, and what is added
            over the number of the movie's ratings and 2.
        most_leverage: float64 (1,), what leverages are capped at.
        raters: float32 (n_movies + 1,), how many ratings each movie has.
        user_factors: float32 (n_users + 1, rank + 1), stars a unit of each element of a
            vector; the last one is the user's bias and the mean of all ratings.
        user_terms: float32 (n_users + 1, n_terms), stars a unit of each term.
        spread: float32 (n_users + 1,), how far the user's ratings are from the level.
        rest: float32 (n_rated + 1,), what the level leaves of each of the users' own
            ratings, without that rating; in the order of `Profiles`.
    """

    FACTOR_SCALE: ClassVar[float] = 0.4
    CONSTANT_SCALE: ClassVar[float] = 0.15
    SPREAD_SHRINKAGE: ClassVar[float] = 5.0

    movies: KnownMovies
    scale: Matrix
    noise: Matrix
    most_leverage: Matrix
    raters: Floats
    user_factors: Floats
    user_terms: Floats
    spread: Floats
    rest: Floats

    @classmethod
    def fit(cls, training: TrainingRows, movies: KnownMovies) -> Self:
        """Only the users' weights are learnt, and the numbers of ratings."""
        variance = movies.variance.copy()
        variance[-1] += cls.CONSTANT_SCALE**2
        of_factors = np.full(movies.factors.shape[1] - 1, cls.FACTOR_SCALE)
        nothing = np.empty(0, np.float32)
        fitted = cls(
            movies=movies,
            scale=np.concatenate([of_factors, np.sqrt(variance)]),
            noise=np.array([0.55, 1.5]),
            most_leverage=np.array([0.9]),
            raters=training.per_movie().astype(np.float32),
            user_factors=nothing,
            user_terms=nothing,
            spread=nothing,
            rest=nothing,
        )
        return fitted.with_users(training)

    def with_users(self, training: TrainingRows) -> Self:
        """The level of other users, and what it leaves of their ratings."""
        rank = self.movies.factors.shape[1] - 1
        n_weights = len(self.scale)
        start = training.start
        weights = np.zeros((training.n_users + 1, n_weights))
        rest = np.empty(len(training.residual))
        unit_noise = np.ones(n_weights + 1)
        bias_leverage = self._bias_leverage(training)

        def regress(users: slice) -> None:
            rows = slice(start[users.start], start[users.stop])
            movie = training.movie_index[rows]
            noise = np.sqrt(self._noise(movie))
            residual = training.residual[rows] - self.movies.factors[movie, -1]
            regressions = Regressions.of_rows(
                self._known(movie) / noise[:, None],
                residual / noise,
                start[users.start : users.stop + 1] - start[users.start],
            )
            found = regressions.moments().solved(unit_noise)
            expected, leverage = regressions.fits(found)
            weights[users] = found.weight * self.scale

            leverage += bias_leverage[rows]
            capped = np.minimum(leverage, self.most_leverage[0])
            rest[rows] = (residual - expected * noise) / (1 - capped)

        training.workers.map(regress, users_in_blocks(training.n_users))
        kept, _ = training.latest
        base = training.bias.mean + training.bias.user
        return replace(
            self,
            user_factors=np.column_stack([weights[:, :rank], base]).astype(np.float32),
            user_terms=weights[:, rank:].astype(np.float32),
            spread=self._spread(training, rest),
            rest=np.append(rest[kept], 0).astype(np.float32),
        )

    def _known(self, movie: NDArray[np.int64]) -> Matrix:
        """What weights are of, (n_rows, rank + n_terms), in standard deviations."""
        known = np.column_stack(
            [self.movies.factors[movie, :-1], self.movies.terms[movie]]
        )
        return known * self.scale

    def _noise(self, movie: NDArray[np.int64]) -> Matrix:
        """Variance of a rating of each movie around the level, (n_rows,)."""
        rank = self.movies.factors.shape[1] - 1
        everywhere, of_few = self.noise
        raters = self.raters[movie].astype(np.float64)
        noise: Matrix = everywhere + of_few / (raters + 2)
        square = np.append(self.scale[:rank], 1) ** 2
        # One after the other, so that every machine adds in the same order.
        for element in range(rank + 1):
            noise += self.movies.uncertainty[movie, element] * square[element]
        return noise

    def _bias_leverage(self, training: TrainingRows) -> Matrix:
        """Of each rating in the biases of its user and its movie, (n_rows,)."""
        return training.bias.leverage(
            training.per_user()[training.user_index],
            self.raters[training.movie_index].astype(np.float64),
        )

    def _spread(self, training: TrainingRows, rest: Matrix) -> Floats:
        """The root of the mean square of each user's rests, (n_users + 1,).

        Users with few ratings are drawn towards the noise of a well-known movie.
        """
        square = training.per_user(rest**2)
        square += self.SPREAD_SHRINKAGE * self.noise[0]
        mean = square / (training.per_user() + self.SPREAD_SHRINKAGE)
        return np.sqrt(mean).astype(np.float32)

    def tables(self) -> Tables:
        """What kernels read (`_level.h`), beside a group's own tables."""
        return {
            "level_factors": self.movies.factors,
            "level_terms": self.movies.terms,
            "level_liking": self.movies.liking,
            "level_raters": self.raters,
            "level_user_factors": self.user_factors,
            "level_user_terms": self.user_terms,
            "level_spread": self.spread,
            "level_rest": self.rest,
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What an artifact carries, besides what other groups know."""
        return {f"level.{name}": getattr(self, name) for name in _STORED}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], movies: KnownMovies
    ) -> Self:
        """The level that these arrays were made of.

        Raises:
            KeyError: an array is missing.
        """
        stored = {name: arrays[f"level.{name}"] for name in _STORED}
        return cls(movies=movies, **stored)


_STORED = (
    "scale",
    "noise",
    "most_leverage",
    "raters",
    "user_factors",
    "user_terms",
    "spread",
    "rest",
)
