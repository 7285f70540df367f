"""Recency: how the user's latest ratings before this one went, by time and by order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Recency:
    """Means of what the bias leaves unexplained of the user's latest ratings, nearer
    ones weighing more; the latest ratings themselves; their classes.

    Only ratings strictly earlier than the row count, which is what a live endpoint
    knows. The weight of a rating is 1 / (1 + x)², x being its distance in time or rank
    over that of the kernel: no exponential, whose last bit is the library's business.

    Attributes:
        class_values: float32 (n_classes,), stars.
    """

    name: ClassVar[str] = "recency"
    SECONDS: ClassVar[tuple[float, ...]] = (
        20.0,
        300.0,
        7_200.0,
        172_800.0,
        5_184_000.0,
    )
    HISTOGRAM_RANKS: ClassVar[tuple[float, ...]] = (3.0, 30.0)
    LATEST: ClassVar[int] = 4
    NEAREST: ClassVar[int] = 10
    # How many of the user's latest ratings before a row are looked at.
    WINDOW: ClassVar[int] = 96

    class_values: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        return cls(np.array(history.scale.class_values, dtype=np.float32))

    def with_users(self, history: TrainingRows) -> Self:  # noqa: ARG002
        """As the protocol says."""
        return self

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        kernels = [f"{seconds:g}s" for seconds in self.SECONDS]
        latest = range(1, self.LATEST + 1)
        stars = [f"{value:g}" for value in self.class_values]
        histograms = (
            f"{self.SECONDS[0]:g}s",
            *(f"rank_{rank:g}" for rank in self.HISTOGRAM_RANKS),
        )
        return (
            *(
                f"recent_{kind}_{kernel}"
                for kind in ("residual", "weight")
                for kernel in kernels
            ),
            *(
                f"latest_{kind}_{place}"
                for kind in ("rating", "residual", "gap")
                for place in latest
            ),
            "nearest_residual",
            *(
                f"recent_share_{kernel}_{value}"
                for kernel in histograms
                for value in stars
            ),
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {
            "seconds": np.array(self.SECONDS, dtype=np.float32),
            "rank_weight": np.array([_weight(rank) for rank in self.HISTOGRAM_RANKS]),
            "latest": np.array([self.LATEST], dtype=np.int64),
            "nearest": np.array([self.NEAREST], dtype=np.int64),
        }


def _weight(rank: float) -> Floats:
    """Of each rating of the window, the latest first."""
    near: Floats = np.float32(1) / (
        np.float32(1) + np.arange(Recency.WINDOW, dtype=np.float32) / np.float32(rank)
    )
    return near * near
