"""Era: whether the scale had half stars when the row was rated.

MovieLens began with whole stars. The scale has half stars from the first one in the
training rows on. Data of whole stars, or without timestamps, has no such columns.

The columns say nothing of users, so rounds of boosting may use them to answer for users
whom training never saw (`train.schedule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows
from movielens.ratings import HALF_STARS, WHOLE_STARS

_NEVER = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Era:
    """When the first half star was given.

    Attributes:
        first_half: float64 (1,), seconds since 1970; infinite if these rows have no
            half star, NaN if the data has no timestamps or a scale of whole stars.
    """

    name: ClassVar[str] = "era"

    first_half: NDArray[np.float64]

    @classmethod
    def fit(cls, training: TrainingRows) -> Self:
        """The time of the first half star of these rows."""
        has_time = ~np.isnan(training.timestamp)
        has_halves = training.scale.class_values == HALF_STARS
        if not has_halves or not has_time.any():
            return cls(np.array([np.nan]))
        is_half = has_time & ~np.isin(training.rating, WHOLE_STARS)
        times = training.timestamp[is_half]
        return cls(np.array([times.min(initial=_NEVER)]))

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the scale is that of all users."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """1 from the first half star on, 0 before it."""
        if np.isnan(self.first_half).any():
            return ()
        return (Column("era_half_stars", Part.DATE),)

    def tables(self) -> Tables:
        """All fields."""
        return {"first_half": self.first_half}
