"""Statistics: how many ratings, how high and how spread, of the user and of the movie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import Catalogue, History
from movielens.features.matrix import Floats, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """How many ratings, how high, how spread, of the user and of the movie.

    Attributes:
        user: float32 (n_users + 1, 5): log(1 + n), shrunk mean, shrunk std, bias, shrunk std of the residual.
        movie: float32 (n_movies + 1, 5), the same.
        mean: float64 (1,), of all ratings.
    """

    name: ClassVar[str] = "statistics"
    COLUMNS: ClassVar[tuple[str, ...]] = ("log_count", "mean", "std", "bias", "residual_std")
    SHRINKAGE: ClassVar[float] = 5.0

    user: Floats
    movie: Floats
    mean: NDArray[np.float64]

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        return cls(
            cls._table(history, history.per_user, history.bias.user),
            cls._table(history, history.per_movie, history.bias.movie),
            np.array([history.bias.mean]),
        )

    @classmethod
    def _table(cls, history: History, per: Callable[..., NDArray[np.float64]], bias: NDArray[np.float64]) -> Floats:
        rating, residual, k = history.rating, history.residual, cls.SHRINKAGE
        count, total, squares = per(), per(rating), per(rating**2)
        mean = (total + k * history.bias.mean) / (count + k)
        spread = np.maximum(squares - 2 * mean * total + count * mean**2, 0)
        std = np.sqrt((spread + k * rating.var()) / (count + k))
        residual_std = np.sqrt((per(residual**2) + k * residual.var()) / (count + k))
        return np.column_stack([np.log1p(count), mean, std, bias, residual_std]).astype(np.float32)

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return (*(f"{side}_{column}" for side in ("user", "movie") for column in self.COLUMNS), "bias")

    def transform(self, rows: Rows, catalogue: Catalogue) -> Floats:  # noqa: ARG002
        """As the protocol says."""
        user, movie = self.user[rows.user_index], self.movie[rows.movie_index]
        bias = np.float32(self.mean[0]) + user[:, 3] + movie[:, 3]
        return np.column_stack([user, movie, bias])
