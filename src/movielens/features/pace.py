"""Pace: how far the user has got with rating, and how fast and evenly it goes now."""

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
class Pace:
    """Counts of the user's ratings strictly before the row; NaN if it has no time.

    Attributes:
        seconds: float32 (n_spans,), rising, the time spans in which ratings are
            counted.
        latest: int64 (1,), how many of the latest ratings ``pace_classes`` looks at.
    """

    name: ClassVar[str] = "pace"

    seconds: Floats
    latest: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        training: TrainingRows,  # noqa: ARG003
        seconds: tuple[float, ...] = (60.0, 3_600.0, 86_400.0),
        latest: int = 10,
    ) -> Self:
        """Nothing is learnt."""
        return cls(floats(*seconds), np.array([latest]))

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel counts the users' own ratings."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """Ratings before, in each span, since the class last changed; classes."""
        spans = [f"pace_{seconds:g}s" for seconds in self.seconds]
        names = ["pace_before", "pace_share_before", *spans, "pace_run", "pace_classes"]
        return tuple(Column(name, Part.MOMENT) for name in names)

    def tables(self) -> Tables:
        """All fields."""
        return {"seconds": self.seconds, "latest": self.latest}
