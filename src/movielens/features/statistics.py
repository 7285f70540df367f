"""Statistics: how many ratings the user and the movie have, how high and how spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows

KINDS = ("log_count", "mean", "std", "bias", "residual_std")


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """How many ratings the user and the movie have, how high and how spread.

    Attributes:
        user: float32 (n_users + 1, 5): log(1 + n), shrunk mean, shrunk std, bias,
            shrunk std of the residual.
        movie: float32 (n_movies + 1, 5), the same.
        overall: float64 (3,), of all ratings: mean, variance, variance of the residual.
        shrinkage: float64 (1,), how many ratings like all others are added to each
            user's and movie's own.
    """

    name: ClassVar[str] = "statistics"

    user: Floats
    movie: Floats
    overall: NDArray[np.float64]
    shrinkage: NDArray[np.float64]

    @classmethod
    def fit(cls, training: TrainingRows, shrinkage: float = 5.0) -> Self:
        """The statistics of all ratings, of each movie and of each user."""
        mean = training.bias.mean
        variance = training.rating.var()
        residual_variance = training.residual.var()
        nothing = np.empty((0, len(KINDS)), dtype=np.float32)
        unfitted = cls(
            user=nothing,
            movie=nothing,
            overall=np.array([mean, variance, residual_variance]),
            shrinkage=np.array([shrinkage]),
        )
        movie = unfitted._table(training, training.per_movie, training.bias.movie)
        return replace(unfitted, movie=movie).with_users(training)

    def with_users(self, training: TrainingRows) -> Self:
        """The statistics of each user."""
        user = self._table(training, training.per_user, training.bias.user)
        return replace(self, user=user)

    def _table(
        self,
        training: TrainingRows,
        sums: Callable[..., NDArray[np.float64]],
        bias: NDArray[np.float64],
    ) -> Floats:
        """A row a user or a movie; ``sums`` adds up values for each of them."""
        overall_mean, variance, residual_variance = self.overall
        shrinkage = self.shrinkage[0]
        count = sums()
        total = sums(training.rating)
        squares = sums(training.rating**2)
        residual_squares = sums(training.residual**2)

        weight = count + shrinkage
        mean = (total + shrinkage * overall_mean) / weight
        spread = np.maximum(squares - 2 * mean * total + count * mean**2, 0)
        std = np.sqrt((spread + shrinkage * variance) / weight)
        residual_std = np.sqrt(
            (residual_squares + shrinkage * residual_variance) / weight
        )
        columns = [np.log1p(count), mean, std, bias, residual_std]
        return np.column_stack(columns).astype(np.float32)

    def columns(self) -> tuple[Column, ...]:
        """The user's, the movie's, and the rating that the biases add up to."""
        of_user = (Column(f"user_{kind}", Part.USER) for kind in KINDS)
        of_movie = (Column(f"movie_{kind}", Part.MOVIE) for kind in KINDS)
        return (*of_user, *of_movie, Column("bias", Part.USER))

    def tables(self) -> Tables:
        """All fields but the shrinkage, which the tables contain."""
        return {"user": self.user, "movie": self.movie, "overall": self.overall}
