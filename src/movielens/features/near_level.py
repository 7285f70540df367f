"""Near level: which stars the user gives where the level is about the row's.

Some users never give half stars, some give 4 wherever others give 3.5 to 4.5. So the
classes of the user's ratings are counted, weighted by how near their level is to the
row's, and by how recent they are in rank and in time. To these counts comes what the
user's histogram and the level together lead one to expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class NearLevel:
    """Which stars the user gives where the level is about the row's.

    Attributes:
        prior: float32 (n_classes,), share of each class among all ratings.
        lift: float32 (n_levels, n_classes), share of each class at a level over its
            prior.
        grid: float32 (2,), the first of these levels and the step to the next, in
            stars.
        width: float32 (1,), stars by which levels differ that count a quarter.
        always: float32 (1,), weight of a rating of the same level, however old it is.
            A rating that was just given has 2 more.
        recent_rank: float32 (1,), ranks in which the first of these falls to a quarter.
        recent_seconds: float32 (1,), the same in time, for the second.
        user_weight: float32 (1,), weight of the prior in the user's histogram.
        prior_weight: float32 (1,), weight of what is expected in the shares.
        shrinkage: float32 (1,), ratings without a rest that are added to each mean.
    """

    name: ClassVar[str] = "near_level"

    prior: Floats
    lift: Floats
    grid: Floats
    width: Floats
    always: Floats
    recent_rank: Floats
    recent_seconds: Floats
    user_weight: Floats
    prior_weight: Floats
    shrinkage: Floats

    @classmethod
    def fit(cls, training: TrainingRows) -> Self:
        """Learn how often each class is given at a level."""
        first, step, n_levels = 0.5, 0.25, 19
        prior = training.class_shares()
        place = (training.rating - training.rest - first) / step
        lift = _lift(place, training.class_index, prior, n_levels)
        return cls(
            prior=prior.astype(np.float32),
            lift=lift.astype(np.float32),
            grid=floats(first, step),
            width=floats(0.3),
            always=floats(0.1),
            recent_rank=floats(12.0),
            recent_seconds=floats(600.0),
            user_weight=floats(5.0),
            prior_weight=floats(8.0),
            shrinkage=floats(1.0),
        )

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel looks up the users' own ratings."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """Mean rest, weight and class shares."""
        names = ["rest", "weight"]
        names += [f"share_{place}" for place in range(1, len(self.prior) + 1)]
        return tuple(Column(f"near_level_{name}", Part.MOMENT) for name in names)

    def tables(self) -> Tables:
        """All fields."""
        return {
            "prior": self.prior,
            "lift": self.lift,
            "grid": self.grid,
            "width": self.width,
            "always": self.always,
            "recent_rank": self.recent_rank,
            "recent_seconds": self.recent_seconds,
            "user_weight": self.user_weight,
            "prior_weight": self.prior_weight,
            "shrinkage": self.shrinkage,
        }


def _lift(
    place: NDArray[np.float64],
    class_index: NDArray[np.int64],
    prior: NDArray[np.float64],
    n_levels: int,
    prior_weight: float = 5.0,
) -> NDArray[np.float64]:
    """Shares of classes over their prior, (n_levels, n_classes).

    A rating between two levels counts for both of them, the more the nearer.
    """
    n_classes = len(prior)
    place = np.clip(place, 0, n_levels - 1)
    below = np.minimum(place.astype(np.int64), n_levels - 2)
    above_share = place - below
    counts = np.zeros(n_levels * n_classes)
    for level, share in ((below, 1 - above_share), (below + 1, above_share)):
        counts += np.bincount(level * n_classes + class_index, share, len(counts))

    weighted = counts.reshape(n_levels, n_classes) + prior_weight * prior
    shares = weighted / weighted.sum(axis=1, keepdims=True)
    never = 1e-9
    lift: NDArray[np.float64] = shares / np.maximum(prior, never)
    return lift
