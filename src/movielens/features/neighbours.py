"""Neighbours: what the user said of the movies most like this one, likeness being that
of their raters' opinions.

For each movie its likest movies are kept, a fixed number, so that the table stays small
for any catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.likeness import find_likest
from movielens.features.matrix import Floats
from movielens.features.opinions import Opinions
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """What the user said of the movies most like this one.

    Attributes:
        start: int64 (n_movies + 2,), the likest movies of movie m are start[m] to
            start[m + 1], likest first.
        neighbour: int32 (n_pairs + 1,), those movies, and a last one that stands for
            none.
        likeness: float32 (n_pairs + 1,).
        prior: float32 (n_classes,), share of each class among all ratings.
    """

    name: ClassVar[str] = "neighbours"
    KEPT: ClassVar[int] = 96
    # Digits beyond tell noise from noise, and would be most of the artifact.
    STEP: ClassVar[float] = 2.0**-10
    BEST: ClassVar[int] = 30
    SHRINKAGE: ClassVar[float] = 20.0
    DAY: ClassVar[float] = 86_400.0
    # Pairs of ratings of one user that are compared in all.
    MAX_PAIRS: ClassVar[int] = 1_000_000_000

    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    likeness: Floats
    prior: Floats

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """As the protocol says."""
        # What is drawn from a large data set tells likeness well enough, and the pairs
        # grow with the square.
        compared = history.with_fewer_pairs(cls.MAX_PAIRS)
        movies, users = Opinions.by_movie(compared), Opinions.by_user(compared)
        neighbour, likeness = find_likest(movies, users, cls.SHRINKAGE, cls.KEPT)
        likeness = np.round(likeness / cls.STEP).astype(np.float32) * np.float32(
            cls.STEP
        )
        known = likeness > 0
        start = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        neighbour, likeness = (
            np.append(table[known], table[-1, -1]) for table in (neighbour, likeness)
        )
        return cls(
            start, neighbour, likeness, history.class_shares().astype(np.float32)
        )

    def with_users(self, history: TrainingRows) -> Self:  # noqa: ARG002
        """As the protocol says."""
        return self

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return (
            *(
                f"neighbours_{kind}"
                for kind in (
                    "residual",
                    "weight",
                    "count",
                    "recent_residual",
                    "recent_weight",
                )
            ),
            *(f"neighbours_share_{place}" for place in range(1, len(self.prior) + 1)),
        )

    def tables(self) -> Tables:
        """As the protocol says."""
        return {
            "start": self.start,
            "neighbour": self.neighbour,
            "likeness": self.likeness,
            "prior": self.prior,
            "best": np.array([self.BEST], dtype=np.int64),
            "seconds": np.array([self.DAY]),
        }
