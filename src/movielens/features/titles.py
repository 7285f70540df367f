"""Titles: what the user said of movies with similar titles, mostly of the same series.

It needs no ratings by others, so it also helps with movies that hardly anybody has
rated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import Tables
from movielens.features.matrix import Floats
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Titles:
    """What the user said of movies with similar titles.

    Attributes:
        start: int64 (n_movies + 2,), the movies with titles like that of movie m are
            start[m] to start[m + 1], the most similar first.
        neighbour: int32 (n_pairs + 1,), those movies; the last one stands for none.
        similarity: float32 (n_pairs + 1,).
        shrinkage: float64 (1,), similarity that is added to that of the movies.
    """

    name: ClassVar[str] = "titles"

    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    similarity: Floats
    shrinkage: NDArray[np.float64]

    @classmethod
    def fit(cls, training: TrainingRows, shrinkage: float = 0.5) -> Self:
        """Nothing is learnt from the ratings: the catalogue has the titles."""
        similar = training.catalogue.similar_titles
        # An unknown movie has no title.
        return cls(
            start=np.append(similar.start, similar.start[-1]),
            neighbour=np.append(similar.movie, np.int32(training.n_movies)),
            similarity=np.append(similar.similarity, np.float32(0)),
            shrinkage=np.array([shrinkage]),
        )

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel looks up the users' own ratings."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """The mean residual of the user's ratings of them, and their similarity."""
        return (
            Column("titles_residual", Part.USER),
            Column("titles_weight", Part.USER),
        )

    def tables(self) -> Tables:
        """All fields."""
        return {
            "start": self.start,
            "neighbour": self.neighbour,
            "similarity": self.similarity,
            "shrinkage": self.shrinkage,
        }
