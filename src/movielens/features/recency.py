"""Recency: how the user's latest ratings before this one went, by time and by order."""

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
class Recency:
    """The latest ratings before the row, and means of them in which near ones weigh
    more.

    Only ratings strictly earlier than the row count, which is what a live endpoint
    knows. The weight of a rating is 1 / (1 + x)²; x is its distance in time or rank
    over a width. It isn't an exponential, since the last bit of that depends on the
    machine's library.

    Attributes:
        class_values: float32 (n_classes,), stars.
        seconds: float32 (n_spans,), the widths in time. Class shares use the first.
        ranks: float32 (n_ranks,), the widths in ranks, for class shares.
        rank_weight: float32 (n_ranks, window), the weight of each rating, the latest
            first. No rating beyond the window is looked at, by time either.
        latest: int64 (1,), how many of the latest ratings have columns of their own.
        nearest: int64 (1,), how many ratings ``nearest_residual`` is the mean of.
        shrinkage: float32 (1,), ratings of residual 0 that are added to each mean.
    """

    name: ClassVar[str] = "recency"

    class_values: Floats
    seconds: Floats
    ranks: Floats
    rank_weight: Floats
    latest: NDArray[np.int64]
    nearest: NDArray[np.int64]
    shrinkage: Floats

    @classmethod
    def fit(cls, training: TrainingRows, window: int = 96) -> Self:
        """Nothing is learnt but the classes."""
        ranks = floats(3.0, 30.0)
        return cls(
            class_values=floats(*training.scale.class_values),
            seconds=floats(20.0, 300.0, 7_200.0, 172_800.0, 5_184_000.0),
            ranks=ranks,
            rank_weight=np.array([_rank_weights(rank, window) for rank in ranks]),
            latest=np.array([4]),
            nearest=np.array([10]),
            shrinkage=floats(1.0),
        )

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel looks up the users' own ratings."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """Means by time, the latest ratings, and class shares by time and by rank."""
        spans = [f"{seconds:g}s" for seconds in self.seconds]
        kernels = [spans[0], *(f"rank_{rank:g}" for rank in self.ranks)]
        # The kernel refuses more than there are in the window.
        n_latest = min(int(self.latest[0]), self.rank_weight.size)
        places = range(1, n_latest + 1)
        stars = [f"{value:g}" for value in self.class_values]

        names = [f"recent_residual_{span}" for span in spans]
        names += [f"recent_weight_{span}" for span in spans]
        names += [f"latest_rating_{place}" for place in places]
        names += [f"latest_residual_{place}" for place in places]
        names += [f"latest_gap_{place}" for place in places]
        names += ["nearest_residual"]
        for kernel in kernels:
            names += [f"recent_share_{kernel}_{value}" for value in stars]
        return tuple(Column(name, Part.MOMENT) for name in names)

    def tables(self) -> Tables:
        """All fields but the classes, which all kernels know."""
        return {
            "seconds": self.seconds,
            "ranks": self.ranks,
            "rank_weight": self.rank_weight,
            "latest": self.latest,
            "nearest": self.nearest,
            "shrinkage": self.shrinkage,
        }


def _rank_weights(rank: np.float32, window: int) -> Floats:
    """The weight of each rating of the window, float32 (window,), the latest first."""
    distance = np.arange(window, dtype=np.float32) / rank
    near: Floats = np.float32(1) / (np.float32(1) + distance)
    return near * near
