"""Ids: the raw ids as numbers, which trees can only learn by heart. The tutorial's
features have them; ours don't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from movielens.columns import MOVIE_ID, USER_ID
from movielens.features.kernels import Tables
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """The raw ids as numbers, NaN where the user or the movie is unknown."""

    name: ClassVar[str] = "ids"

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:  # noqa: ARG003
        """As the protocol says."""
        return cls()

    def with_users(self, history: TrainingRows) -> Self:  # noqa: ARG002
        """As the protocol says."""
        return self

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return USER_ID, MOVIE_ID

    def tables(self) -> Tables:
        """As the protocol says."""
        return {}
