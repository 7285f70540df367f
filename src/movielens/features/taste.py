"""Taste: what the user's ratings say of a movie by its genres, its time and its
standing, and how ratings of alike movies differed from that.

Each user has a linear regression of the residuals on what is known of movies without
their raters' opinions. The weights are normal with one variance a term, which
expectation-maximization finds over the users (Bishop 2006, section 3.5), so that a user
with few ratings is like everybody.

What a regression leaves unexplained of a rating that it was fitted on is too small. It
is divided by one less the rating's leverage, which is what the fit without that rating
would leave (Cook and Weisberg 1982, section 2.2); the leverage in the two biases is
added to the user's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.parts import Column, Part
from movielens.features.regressions import (
    Moments,
    Regressions,
    users_in_blocks,
)
from movielens.features.training_rows import TrainingRows

Matrix = NDArray[np.float64]
Block = slice

# In the order of their columns.
ALIKE = ("genre", "kind", "genre_recent")


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """What the user's ratings say of a movie by its genres, its time and its standing.

    What was fitted:
        movie: float32 (n_movies + 1, n_terms), what is known of movies; 0 in the last
            row.
        user: float32 (n_users + 1, n_terms), stars a unit of each term.
        variance: float64 (n_terms + 1,), of the users' weights; the last one is of
            ratings, as far as weights don't explain them.
        raters: float32 (n_movies + 1,), how many ratings each movie has.
        genres: int32 (n_movies + 1,), a bit a genre.
        beyond: float32 (n_rated + 1,), what bias and taste would leave unexplained of
            each of the users' own ratings without that rating; in the order of
            `Profiles`.
        prior: float32 (n_classes,), share of each class among all ratings.

    Means of ``beyond`` over the latest ratings, weighted as in `Recency`:
        seconds: float32 (n_spans,), the widths in time.
        ranks: float32 (n_ranks,), the widths in ranks.
        window: int64 (1,), how many of the latest ratings count.
        shrinkage: float32 (1,), ratings of 0 that are added to each mean.

    How alike two movies are, each float32 (1,):
        recent_seconds: the width in time, for those alike in genre.
        genre_years: years by which movies differ that are a quarter as alike in genre.
        kind_years: the same for those alike in kind.
        unknown_years: years that a movie without a year is away from all others.

    Means over alike movies:
        alike_shrinkage: float32 (3,), weight added to each mean, in the order of
            `ALIKE`.
        prior_weight: float32 (1,), weight of the prior in the class shares of those
            alike in kind.

    Fitting the users:
        most_leverage: float64 (1,), what leverages are capped at.
    """

    name: ClassVar[str] = "taste"
    SWEEPS: ClassVar[int] = 10
    INITIAL_VARIANCE: ClassVar[float] = 0.05
    LEAST_VARIANCE: ClassVar[float] = 1e-6

    movie: Floats
    user: Floats
    variance: Matrix
    raters: Floats
    genres: NDArray[np.int32]
    beyond: Floats
    prior: Floats

    seconds: Floats
    ranks: Floats
    window: NDArray[np.int64]
    shrinkage: Floats

    recent_seconds: Floats
    genre_years: Floats
    kind_years: Floats
    unknown_years: Floats

    alike_shrinkage: Floats
    prior_weight: Floats

    most_leverage: Matrix

    @classmethod
    def fit(
        cls, training: TrainingRows, most_users: int = 2_048, window: int = 96
    ) -> Self:
        """Learn the variances from ``most_users`` users, then all users' weights."""
        movie = _terms(training)
        no_users = np.empty((0, movie.shape[1]), np.float32)
        fitted = cls(
            movie=movie.astype(np.float32),
            user=no_users,
            variance=cls._variances(training, movie, most_users),
            raters=training.per_movie().astype(np.float32),
            genres=_genre_bits(training),
            beyond=floats(),
            prior=training.class_shares().astype(np.float32),
            seconds=floats(20.0, 300.0, 7_200.0, 172_800.0, 5_184_000.0),
            ranks=floats(3.0, 10.0, 30.0),
            window=np.array([window]),
            shrinkage=floats(1.0),
            recent_seconds=floats(86_400.0),
            genre_years=floats(15.0),
            kind_years=floats(10.0),
            unknown_years=floats(30.0),
            alike_shrinkage=floats(3.0, 2.0, 1.0),
            prior_weight=floats(0.5),
            most_leverage=np.array([0.8]),
        )
        return fitted.with_users(training)

    @classmethod
    def _variances(
        cls, training: TrainingRows, movie: Matrix, most_users: int
    ) -> Matrix:
        """By expectation-maximization over users that are evenly spread over all."""
        start = training.start
        rated = np.flatnonzero(np.diff(start))
        step = -(-len(rated) // most_users)
        users = rated[::step]
        rows = np.concatenate(
            [np.arange(start[user], start[user + 1]) for user in users]
        )

        def moments_of(block: Block) -> Moments:
            return Regressions.of(training, movie, start, users[block]).moments()

        workers = training.workers
        moments = workers.map(moments_of, users_in_blocks(len(users)))

        n = len(rows)
        total = float((training.residual[rows] ** 2).sum())
        variance = np.full(movie.shape[1] + 1, cls.INITIAL_VARIANCE)
        variance[-1] = max(total / n, cls.LEAST_VARIANCE)
        for _ in range(cls.SWEEPS):
            found = workers.map(partial(_second_moments, variance), moments)
            second = np.concatenate([second for second, _ in found])
            away = np.concatenate([away for _, away in found])
            variance[:-1] = second.mean(axis=0)
            variance[-1] = (total + float(away.sum())) / n
            variance = np.maximum(variance, cls.LEAST_VARIANCE)
        return variance

    def with_users(self, training: TrainingRows) -> Self:
        """The weights of users, and what is beyond taste in each of their ratings."""
        start = training.start
        movie = self.movie.astype(np.float64)
        weights = np.zeros((training.n_users + 1, movie.shape[1]))
        unexplained = np.empty(len(training.residual))
        bias_leverage = self._bias_leverage(training)

        def regress(block: Block) -> None:
            users = np.arange(block.start, block.stop)
            regressions = Regressions.of(training, movie, start, users)
            found = regressions.moments().solved(self.variance)
            expected, spread = regressions.fits(found)
            weights[block] = found.weight

            rows = slice(start[block.start], start[block.stop])
            leverage = spread / self.variance[-1] + bias_leverage[rows]
            capped = np.minimum(leverage, self.most_leverage[0])
            left = training.residual[rows] - expected
            unexplained[rows] = left / (1 - capped)

        training.workers.map(regress, users_in_blocks(training.n_users))
        kept, _ = training.latest
        return replace(
            self,
            user=weights.astype(np.float32),
            beyond=np.append(unexplained[kept], 0).astype(np.float32),
        )

    def _bias_leverage(self, training: TrainingRows) -> Matrix:
        """Of each rating in the biases of its user and its movie, (n_rows,)."""
        return training.bias.leverage(
            training.per_user()[training.user_index],
            self.raters[training.movie_index].astype(np.float64),
        )

    def columns(self) -> tuple[Column, ...]:
        """The regression, what was beyond it lately, and at alike movies."""
        places = range(1, len(self.prior) + 1)
        columns = [Column("taste_residual", Part.USER)]
        for seconds in self.seconds:
            columns.append(Column(f"beyond_taste_{seconds:g}s", Part.MOMENT))
        for rank in self.ranks:
            columns.append(Column(f"beyond_taste_rank_{rank:g}", Part.MOMENT))
        for way in ALIKE:
            part = Part.MOMENT if way.endswith("_recent") else Part.USER
            columns.append(Column(f"alike_{way}_beyond", part))
            columns.append(Column(f"alike_{way}_weight", part))
        columns += [Column(f"alike_kind_share_{place}", Part.USER) for place in places]
        return tuple(columns)

    def tables(self) -> Tables:
        """All fields but those that only `with_users` needs."""
        return {
            "movie": self.movie,
            "user": self.user,
            "genres": self.genres,
            "beyond": self.beyond,
            "prior": self.prior,
            "seconds": self.seconds,
            "ranks": self.ranks,
            "window": self.window,
            "shrinkage": self.shrinkage,
            "recent_seconds": self.recent_seconds,
            "genre_years": self.genre_years,
            "kind_years": self.kind_years,
            "unknown_years": self.unknown_years,
            "alike_shrinkage": self.alike_shrinkage,
            "prior_weight": self.prior_weight,
        }


def _genre_bits(training: TrainingRows) -> NDArray[np.int32]:
    """A bit a genre, int32 (n_movies + 1,)."""
    flags = np.nan_to_num(training.catalogue.genre_flags)
    n_genres = flags.shape[1]
    bits = 1 << np.arange(n_genres)
    packed: NDArray[np.int64] = flags.astype(np.int64) @ bits
    return packed.astype(np.int32)


def _terms(training: TrainingRows) -> Matrix:
    """What is known of each movie, float64 (n_movies + 1, n_terms); 0 in the last row.

    The terms are its genres, whose squares sum to 1; its year, the square of that,
    popularity and liking, standardised over the training rows; flags of its decade; a
    constant.
    """
    catalogue = training.catalogue
    flags = np.nan_to_num(catalogue.genre_flags).astype(np.float64)
    flags /= np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1))
    year = np.nan_to_num(training.standardised(catalogue.filled_years()))
    year_square = np.clip(year, -3, 1.5) ** 2
    popularity = training.standardised(np.log1p(training.per_movie()))
    liking = training.standardised(training.bias.movie)
    decade = np.nan_to_num(catalogue.year) // 10
    is_decade = decade[:, None] == np.unique(decade)
    constant = np.ones(len(year))

    terms = np.column_stack(
        [flags, year, year_square, popularity, liking, is_decade, constant]
    )
    terms[-1] = 0
    return terms


def _second_moments(variance: Matrix, moments: Moments) -> tuple[Matrix, Matrix]:
    """Expected squares of the weights, (n_users, n_terms), and `Weights.away`."""
    found = moments.solved(variance)
    diagonal = np.cumsum(np.arange(1, len(variance))) - 1
    return found.covariance[:, diagonal] + found.weight**2, found.away
