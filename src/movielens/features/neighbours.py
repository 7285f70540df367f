"""Neighbours: what the user said of the movies most similar to this one.

Similarity is that of their raters' opinions. A fixed number of similar movies is kept
for each movie, so that the table stays small for any catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats, floats
from movielens.features.opinions import Opinions
from movielens.features.parts import Column, Part
from movielens.features.similarity import find_most_similar
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """What the user said of the movies most similar to this one.

    Attributes:
        start: int64 (n_movies + 2,), the neighbours of movie m are start[m] to
            start[m + 1], the most similar first.
        neighbour: int32 (n_pairs + 1,), those movies; the last one stands for none.
        similarity: float32 (n_pairs + 1,).
        prior: float32 (n_classes,), share of each class among all ratings.
        best: int64 (1,), how many rated neighbours count, unless time matters.
        recent_seconds: float64 (1,), the time after which a rating is a quarter as
            recent as a new one.
        shrinkage: float64 (1,), similarity that is added to that of the neighbours.
        prior_weight: float32 (1,), the same for the shares of classes.
    """

    name: ClassVar[str] = "neighbours"
    KEPT: ClassVar[int] = 96
    # Similarities are rounded to this: further digits are noise, and would be most of
    # the artifact.
    STEP: ClassVar[float] = 2.0**-10
    SIMILARITY_SHRINKAGE: ClassVar[float] = 20.0

    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    similarity: Floats
    prior: Floats
    best: NDArray[np.int64]
    recent_seconds: NDArray[np.float64]
    shrinkage: NDArray[np.float64]
    prior_weight: Floats

    @classmethod
    def fit(cls, training: TrainingRows, most_pairs: int = 1_000_000_000) -> Self:
        """Find the movies most similar to each.

        The work grows with the pairs of ratings of one user. A sample with about
        ``most_pairs`` of them shows similarity well enough.
        """
        compared = training.with_fewer_pairs(most_pairs)
        neighbour, similarity = find_most_similar(
            Opinions.by_movie(compared),
            Opinions.by_user(compared),
            cls.SIMILARITY_SHRINKAGE,
            cls.KEPT,
            training.workers,
        )
        steps = np.round(similarity / cls.STEP).astype(np.float32)
        similarity = steps * np.float32(cls.STEP)

        is_similar = similarity > 0
        n_similar = is_similar.sum(axis=1)
        return cls(
            start=np.concatenate([[0], np.cumsum(n_similar)]),
            neighbour=np.append(neighbour[is_similar], neighbour[-1, -1]),
            similarity=np.append(similarity[is_similar], similarity[-1, -1]),
            prior=training.class_shares().astype(np.float32),
            best=np.array([30]),
            recent_seconds=np.array([86_400.0]),
            shrinkage=np.array([0.3]),
            prior_weight=floats(0.5),
        )

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel looks up the users' own ratings."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """Of the best neighbours, of recent ones, and the classes of the best."""
        places = range(1, len(self.prior) + 1)
        return (
            Column("neighbours_residual", Part.USER),
            Column("neighbours_weight", Part.USER),
            Column("neighbours_count", Part.USER),
            Column("neighbours_recent_residual", Part.MOMENT),
            Column("neighbours_recent_weight", Part.MOMENT),
            *(Column(f"neighbours_share_{place}", Part.USER) for place in places),
        )

    def tables(self) -> Tables:
        """All fields."""
        return {
            "start": self.start,
            "neighbour": self.neighbour,
            "similarity": self.similarity,
            "prior": self.prior,
            "best": self.best,
            "recent_seconds": self.recent_seconds,
            "shrinkage": self.shrinkage,
            "prior_weight": self.prior_weight,
        }
