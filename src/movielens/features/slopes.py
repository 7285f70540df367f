"""Slopes: whether the user prefers newer, more popular or better liked movies.

They are combined with what this movie is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows, UserBlock

TRAITS = ("year", "popularity", "liking")


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """Whether the user prefers newer, more popular or better liked movies.

    Attributes:
        movie: float32 (n_movies + 1, 3): year, log(1 + count) and bias of the movie,
            standardised over the training rows.
        centre: float32 (n_users + 1, 3), the user's own mean of each.
        slope: float32 (n_users + 1, 3), stars a standard deviation.
        shrinkage: float64 (1,), what is added to a user's sum of squares.
    """

    name: ClassVar[str] = "slopes"

    movie: Floats
    centre: Floats
    slope: Floats
    shrinkage: NDArray[np.float64]

    @classmethod
    def fit(cls, training: TrainingRows, shrinkage: float = 20.0) -> Self:
        """Standardise the movies' traits, then fit a line for each user."""
        year = training.catalogue.filled_years()
        popularity = np.log1p(training.per_movie())
        traits = year, popularity, training.bias.movie
        columns = [training.standardised(trait) for trait in traits]

        nothing = np.empty((0, len(TRAITS)), dtype=np.float32)
        unfitted = cls(
            movie=np.column_stack(columns).astype(np.float32),
            centre=nothing,
            slope=nothing,
            shrinkage=np.array([shrinkage]),
        )
        return unfitted.with_users(training)

    def with_users(self, training: TrainingRows) -> Self:
        """A line for each user and trait, by least squares through the user's mean."""
        traits = self.movie.astype(np.float64)
        shape = training.n_users + 1, len(TRAITS)
        centre = np.empty(shape)
        slope = np.empty(shape)

        def fit_lines(block: UserBlock) -> None:
            users, rows = block
            user = block.user_of_row(training.user_index)
            movie = training.movie_index[rows]
            residual = training.residual[rows]
            n_users = block.n_users
            count = np.maximum(np.bincount(user, minlength=n_users), 1)
            for trait in range(len(TRAITS)):
                seen = traits[movie, trait]
                mean = np.bincount(user, seen, n_users) / count
                away = seen - mean[user]
                product = np.bincount(user, away * residual, n_users)
                square = np.bincount(user, away**2, n_users)
                centre[users, trait] = mean
                slope[users, trait] = product / (square + self.shrinkage[0])

        training.workers.map(fit_lines, training.blocks)
        return replace(
            self, centre=centre.astype(np.float32), slope=slope.astype(np.float32)
        )

    def columns(self) -> tuple[Column, ...]:
        """The slopes, what they say of the movie, and where user and movie are."""
        kinds = ("slope", "sloped", "centre", "away")
        return tuple(
            Column(f"{kind}_{trait}", Part.USER) for kind in kinds for trait in TRAITS
        )

    def tables(self) -> Tables:
        """All fields but the shrinkage, which the slopes contain."""
        return {"movie": self.movie, "centre": self.centre, "slope": self.slope}
