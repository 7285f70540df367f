"""Blends: the rating that all groups together lead one to expect, in one number each.

Trees split by one feature at a time and are slow to find a sum; these sums are made for
them. The weights are near those of a least-squares fit on out-of-fold features of
ml-latest-small's training rows (`python -m benchmarks.blend`). That of
`titles_residual` was added later; fitting all anew when `mood` was added made the trees
no better. They aren't fitted by each job, since a training row's rating would then get
into its own features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.parts import Column, Part


class BlendWeights(NamedTuple):
    """A blend as it is declared.

    Attributes:
        column: what the sum is called and depends on.
        weights: of features, by their names.
    """

    column: Column
    weights: Mapping[str, float]


TASTE = {
    "bias": 0.76,
    "user_mean": 0.19,
    "movie_mean": 0.11,
    "factors_residual": 0.35,
    "neighbours_residual": 0.37,
    "titles_residual": 0.48,
    "sloped_year": 0.16,
    "sloped_popularity": 0.16,
    "taste_residual": 0.6,
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
}
LEVEL = {
    "level": 1.0,
    "mood": 1.0,
    "titles_residual": 0.5,
}
BLENDS = (
    BlendWeights(Column("blend_level", Part.MOMENT), LEVEL),
    BlendWeights(Column("blend_taste", Part.USER), TASTE),
    BlendWeights(Column("blend_mood", Part.MOMENT), MOOD),
    BlendWeights(Column("blend", Part.MOMENT), TASTE | MOOD),
)


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A weighted sum of features, of which missing ones count 0.

    Attributes:
        column: what the sum is called and depends on.
        terms: the names of the features.
        weights: float32 (n_terms,).
    """

    column: Column
    terms: tuple[str, ...]
    weights: Floats

    @classmethod
    def among(cls, names: tuple[str, ...]) -> tuple[Self, ...]:
        """The declared blends of features with these names.

        A blend has those of its terms that are there; one without any is left out.
        """
        blends = []
        for column, weights in BLENDS:
            terms = tuple(term for term in weights if term in names)
            if terms:
                blend = cls(column, terms, floats(*map(weights.__getitem__, terms)))
                blends.append(blend)
        return tuple(blends)

    def tables(self, names: tuple[str, ...]) -> Tables:
        """What the kernel reads; ``names`` are those of all columns before the blends.

        Raises:
            ValueError: if a term isn't among them.
        """
        columns = [names.index(term) for term in self.terms]
        return {
            "columns": np.array(columns, dtype=np.int64),
            "weights": self.weights,
        }
