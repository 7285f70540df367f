"""Blends: the rating that all groups together lead one to expect, in one number each.

Trees cut one feature at a time and are slow to find a sum; these sums are made for
them. The weights are those of a least-squares fit on out-of-fold features of
ml-latest-small's training rows (`python -m benchmarks.blend`), rounded. They are
constants: weights fitted by each job would let a training row's rating into its own
features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats

TASTE = {
    "bias": 0.76,
    "user_mean": 0.19,
    "movie_mean": 0.11,
    "factors_residual": 0.35,
    "neighbours_residual": 0.37,
    "sloped_year": 0.16,
    "sloped_popularity": 0.16,
    "taste_residual": 0.6,
    "alike_level_beyond": 0.2,
    "alike_genre_beyond": 0.5,
    "alike_kind_beyond": 0.4,
}
MOOD = {
    "recent_residual_20s": 0.22,
    "recent_residual_300s": 0.35,
    "recent_residual_7200s": -0.16,
    "beyond_taste_300s": -0.13,
    "beyond_taste_7200s": 0.11,
    "beyond_taste_rank_10": 0.09,
    "beyond_taste_rank_30": -0.18,
    "alike_level_recent_beyond": 0.16,
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
                blends.append(
                    cls(name, np.array([place[term] for term in known]), weights)
                )
        return tuple(blends)

    def tables(self) -> Tables:
        """As of a group."""
        return {"columns": self.columns, "weights": self.weights}
