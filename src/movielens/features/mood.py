"""Mood: how far from the level the user rates at the moment.

What the level leaves of the user's latest ratings is taken for a function that changes
with time, from rating to rating, and with the kind of movie. A Gaussian process
(Rasmussen and Williams 2006, chapter 2) says what the function is at the row, and how
uncertain that is.

The covariance of two ratings is a sum of products. Each factor is a falling, convex
function 1 / (1 + x)² of one distance x, which is positive definite by Pólya's
criterion, or an inner product. It isn't an exponential, since the last bit of that
depends on the machine's library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Mood:
    """How far from the level the user rates at the moment.

    Only ratings strictly earlier than the row count.

    Attributes:
        by_rank: float32 (window + 1,), covariance of ratings that are so many ranks
            apart. The window is how many of the latest ratings count.
        seconds: float32 (3,), time in which covariance falls to a quarter: of any
            ratings, of those of alike genres, and of what changes slowly.
        variance: float32 (5,), of any ratings within ``seconds[0]``; of those of alike
            genres and years within ``seconds[1]``, within ``seconds[2]`` and at any
            time; of movies as well liked by others, within ``seconds[2]``.
        genre_years: float32 (1,), years in which covariance falls to a quarter.
        per_root: float32 (n_genres + 1,), 1 over the root of a number of genres.
        unknown_year: float32 (1,), for movies without a year.
        liking: float32 (2,), mean and standard deviation of the movies' biases.
        noise: float32 (2,), variance of a rating besides, and what is added over the
            number of the movie's ratings and 2.
    """

    name: ClassVar[str] = "mood"

    by_rank: Floats
    seconds: Floats
    variance: Floats
    genre_years: Floats
    per_root: Floats
    unknown_year: Floats
    liking: Floats
    noise: Floats

    @classmethod
    def fit(cls, training: TrainingRows, window: int = 24) -> Self:
        """Nothing is learnt but means."""
        n_genres = training.catalogue.genre_flags.shape[1]
        liking = training.bias.movie[training.movie_index]
        return cls(
            by_rank=_by_rank(window),
            seconds=floats(34.0, 510.0, 1.7e6),
            variance=floats(0.075, 0.03, 0.0032, 0.025, 0.004),
            genre_years=floats(17.0),
            per_root=(1 / np.sqrt(np.maximum(np.arange(n_genres + 1), 1))).astype(
                np.float32
            ),
            unknown_year=floats(training.catalogue.filled_years()[-1]),
            liking=floats(liking.mean(), float(liking.std()) or 1),
            noise=floats(0.45, 0.196),
        )

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel looks up the users' own ratings."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """The level, and how far from it the user is."""
        return (
            Column("level_explained", Part.USER),
            Column("level", Part.USER),
            Column("level_spread", Part.USER),
            Column("mood", Part.MOMENT),
            Column("mood_variance", Part.MOMENT),
        )

    def tables(self) -> Tables:
        """All fields."""
        return {
            "by_rank": self.by_rank,
            "seconds": self.seconds,
            "variance": self.variance,
            "genre_years": self.genre_years,
            "per_root": self.per_root,
            "unknown_year": self.unknown_year,
            "liking": self.liking,
            "noise": self.noise,
        }


def _by_rank(window: int) -> Floats:
    """Covariance by the difference of ranks, float32 (window + 1,)."""
    rank = np.arange(window + 1)
    quick = 0.012 / (1 + rank / 7.0) ** 2
    slow = 0.020 / (1 + rank / 42.0) ** 2
    return (quick + slow).astype(np.float32)
