"""Statistics: how many ratings, how high and how spread, of the user and of the movie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """How many ratings, how high, how spread, of the user and of the movie.

    Attributes:
        user: float32 (n_users + 1, 5): log(1 + n), shrunk mean, shrunk std, bias,
            shrunk std of the residual.
        movie: float32 (n_movies + 1, 5), the same.
        overall: float64 (3,), of all ratings: mean, variance, variance of the residual.
    """

    name: ClassVar[str] = "statistics"
    COLUMNS: ClassVar[tuple[str, ...]] = (
        "log_count",
        "mean",
        "std",
        "bias",
        "residual_std",
    )
    SHRINKAGE: ClassVar[float] = 5.0

    user: Floats
    movie: Floats
    overall: NDArray[np.float64]

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        overall = np.array(
            [history.bias.mean, history.rating.var(), history.residual.var()]
        )
        movie = cls._table(history, history.per_movie, history.bias.movie, overall)
        return cls(movie[:0], movie, overall).with_users(history)

    def with_users(self, history: TrainingRows) -> Self:
        """As the protocol says."""
        return replace(
            self,
            user=self._table(
                history, history.per_user, history.bias.user, self.overall
            ),
        )

    @classmethod
    def _table(
        cls,
        history: TrainingRows,
        per: Callable[..., NDArray[np.float64]],
        bias: NDArray[np.float64],
        overall: NDArray[np.float64],
    ) -> Floats:
        rating, residual, k = history.rating, history.residual, cls.SHRINKAGE
        overall_mean, variance, residual_variance = overall
        count, total, squares = per(), per(rating), per(rating**2)
        mean = (total + k * overall_mean) / (count + k)
        spread = np.maximum(squares - 2 * mean * total + count * mean**2, 0)
        std = np.sqrt((spread + k * variance) / (count + k))
        residual_std = np.sqrt((per(residual**2) + k * residual_variance) / (count + k))
        return np.column_stack([np.log1p(count), mean, std, bias, residual_std]).astype(
            np.float32
        )

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return (
            *(
                f"{side}_{column}"
                for side in ("user", "movie")
                for column in self.COLUMNS
            ),
            "bias",
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"user": self.user, "movie": self.movie, "overall": self.overall}
