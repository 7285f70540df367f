"""Histograms: which classes the user gives and the movie gets, alone and together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """Which classes the user gives and the movie gets.

    Attributes:
        user: float32 (n_users + 1, n_classes), shrunk towards the prior; a row sums to
            1.
        movie: float32 (n_movies + 1, n_classes), likewise.
        prior: float32 (n_classes,), share of each class among all ratings.
        class_values: float32 (n_classes,), stars.
        quantile: float32 (n_movies + 1,), where the movie is on average in its raters'
            own distributions, 0 to 1.
        shrinkage: float64 (1,), how many ratings like the prior are added to each
            user's and movie's own.
    """

    name: ClassVar[str] = "histograms"

    user: Floats
    movie: Floats
    prior: Floats
    class_values: Floats
    quantile: Floats
    shrinkage: NDArray[np.float64]

    @classmethod
    def fit(cls, training: TrainingRows, shrinkage: float = 5.0) -> Self:
        """The histograms of users and movies, and how movies rank with their raters."""
        prior = training.class_shares()
        classes = training.class_index
        user = _histogram(
            training.user_index, classes, training.n_users + 1, prior, shrinkage
        )
        movie = _histogram(
            training.movie_index, classes, training.n_movies + 1, prior, shrinkage
        )

        # A movie's quantile is shrunk towards the middle, as if by four more ratings.
        below = np.cumsum(user, axis=1) - user / 2
        total = training.per_movie(below[training.user_index, classes])
        quantile = (total + 2) / (training.per_movie() + 4)
        return cls(
            user=user.astype(np.float32),
            movie=movie.astype(np.float32),
            prior=prior.astype(np.float32),
            class_values=floats(*training.scale.class_values),
            quantile=quantile.astype(np.float32),
            shrinkage=np.array([shrinkage]),
        )

    def with_users(self, training: TrainingRows) -> Self:
        """The histograms of other users."""
        user = _histogram(
            training.user_index,
            training.class_index,
            training.n_users + 1,
            self.prior.astype(np.float64),
            float(self.shrinkage[0]),
        )
        return replace(self, user=user.astype(np.float32))

    def columns(self) -> tuple[Column, ...]:
        """Shares of the classes, then what the distributions say in one number."""
        stars = [f"{value:g}" for value in self.class_values]
        return (
            *(Column(f"user_share_{value}", Part.USER) for value in stars),
            *(Column(f"movie_share_{value}", Part.MOVIE) for value in stars),
            *(Column(f"joint_share_{value}", Part.USER) for value in stars),
            Column("joint_mean", Part.USER),
            Column("user_mode", Part.USER),
            Column("user_half_share", Part.USER),
            Column("movie_quantile", Part.MOVIE),
            Column("movie_quantile_for_user", Part.USER),
        )

    def tables(self) -> Tables:
        """The histograms; the movie's over the prior; which classes are half stars."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(self.prior > 0, self.movie / self.prior, np.float32(0))
        is_half = self.class_values % 1 != 0
        return {
            "user": self.user,
            "movie": self.movie,
            "lift": np.sqrt(ratio),
            "quantile": self.quantile,
            "halves": is_half.astype(np.float32),
        }


def _histogram(
    index: NDArray[np.int64],
    class_index: NDArray[np.int64],
    n_rows: int,
    prior: NDArray[np.float64],
    shrinkage: float,
) -> NDArray[np.float64]:
    """Shrunk shares of the classes, float64 (n_rows, n_classes), a row an index."""
    n_classes = len(prior)
    cells = index * n_classes + class_index
    counts = np.bincount(cells, minlength=n_rows * n_classes).reshape(n_rows, n_classes)
    total = counts.sum(axis=1, keepdims=True)
    table: NDArray[np.float64] = (counts + shrinkage * prior) / (total + shrinkage)
    return table
