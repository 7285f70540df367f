"""Pace: how far the user has got with rating, and how quickly and evenly it goes just
now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """Counts of the user's ratings strictly before the row; NaN where it has no time.

    Attributes:
        seconds: float32 (n_spans,), rising, the spans in which ratings are counted.
    """

    name: ClassVar[str] = "pace"
    SECONDS: ClassVar[tuple[float, ...]] = (60.0, 3_600.0, 86_400.0)

    seconds: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:  # noqa: ARG003
        """As the protocol says."""
        return cls(np.array(cls.SECONDS, dtype=np.float32))

    def with_users(self, history: TrainingRows) -> Self:  # noqa: ARG002
        """As the protocol says."""
        return self

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        spans = (f"pace_{seconds:g}s" for seconds in self.seconds)
        return "pace_before", "pace_share_before", *spans, "pace_run", "pace_classes"

    def tables(self) -> Tables:
        """As the protocol says."""
        return {"seconds": self.seconds}
