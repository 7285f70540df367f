"""Blends: the rating that all groups together lead one to expect, in one number each.

Trees cut one feature at a time and are slow to find a sum; these sums are made for them. The weights are those of a
least-squares fit on out-of-fold features of ml-latest-small's training rows (`python -m benchmarks.blend`), rounded.
They are constants: weights fitted by each job would let a training row's rating into its own features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.matrix import Floats
from movielens.features.rows import Tables

TASTE = {
    "bias": 1.0,
    "factors_residual": 0.45,
    "neighbours_residual": 0.33,
    "affinity_mean": 0.95,
    "sloped_liking": 0.22,
    "sloped_year": 0.5,
    "sloped_popularity": 0.55,
}
MOOD = {
    "recent_residual_20s": 0.3,
    "recent_residual_300s": 0.28,
    "recent_residual_7200s": -0.1,
    "nearest_residual": 0.08,
    "neighbours_recent_residual": 0.18,
}
BLENDS = {"blend_taste": TASTE, "blend_mood": MOOD, "blend": {**TASTE, **MOOD}}


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A weighted sum of some features; what is missing counts 0.

    Attributes:
        name: of the sum.
        columns: int64 (n_terms,), where the features stand.
        weights: float32 (n_terms,).
    """

    name: str
    columns: NDArray[np.int64]
    weights: Floats

    @classmethod
    def among(cls, names: tuple[str, ...]) -> tuple[Self, ...]:
        """The sums that features of these names allow, of the terms that are there."""
        place = {name: column for column, name in enumerate(names)}
        blends = []
        for name, terms in BLENDS.items():
            known = [term for term in terms if term in place]
            weights = np.array([terms[term] for term in known], dtype=np.float32)
            if known:
                blends.append(cls(name, np.array([place[term] for term in known]), weights))
        return tuple(blends)

    def tables(self) -> Tables:
        """As of a group."""
        return {"columns": self.columns, "weights": self.weights}
