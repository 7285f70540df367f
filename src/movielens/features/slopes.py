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
from movielens.features.training_rows import TrainingRows

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
        traits = np.column_stack([year, popularity, training.bias.movie])

        seen = traits[training.movie_index]
        spread = seen.std(axis=0)
        scale = np.where(spread > 0, spread, 1)
        movie = ((traits - seen.mean(axis=0)) / scale).astype(np.float32)

        nothing = movie[:0]
        unfitted = cls(
            movie=movie,
            centre=nothing,
            slope=nothing,
            shrinkage=np.array([shrinkage]),
        )
        return unfitted.with_users(training)

    def with_users(self, training: TrainingRows) -> Self:
        """A line for each user and trait, by least squares through the user's mean."""
        centres = []
        slopes = []
        for value in self.movie.T.astype(np.float64):
            centre, slope = self._line(training, value)
            centres.append(centre)
            slopes.append(slope)
        return replace(
            self,
            centre=np.column_stack(centres).astype(np.float32),
            slope=np.column_stack(slopes).astype(np.float32),
        )

    def _line(
        self, training: TrainingRows, value: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Each user's mean of a trait, and by how much residuals rise with it."""
        seen = value[training.movie_index]
        centre = training.per_user(seen) / np.maximum(training.per_user(), 1)
        away = seen - centre[training.user_index]
        product = training.per_user(away * training.residual)
        square = training.per_user(away**2)
        return centre, product / (square + self.shrinkage[0])

    def columns(self) -> tuple[Column, ...]:
        """The slopes, what they say of the movie, and where user and movie are."""
        kinds = ("slope", "sloped", "centre", "away")
        return tuple(
            Column(f"{kind}_{trait}", Part.USER) for kind in kinds for trait in TRAITS
        )

    def tables(self) -> Tables:
        """All fields but the shrinkage, which the slopes contain."""
        return {"movie": self.movie, "centre": self.centre, "slope": self.slope}
