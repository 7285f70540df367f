"""Ids: the raw ids as numbers, which trees can only memorize.

The tutorial's features have them; our default features don't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from movielens.columns import MOVIE_ID, USER_ID
from movielens.features.kernels import Tables
from movielens.features.parts import Column, Part
from movielens.features.training_rows import TrainingRows


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """The raw ids as numbers, NaN where the user or the movie is unknown."""

    name: ClassVar[str] = "ids"

    @classmethod
    def fit(cls, training: TrainingRows) -> Self:  # noqa: ARG003
        """Nothing is learnt."""
        return cls()

    def with_users(self, training: TrainingRows) -> Self:  # noqa: ARG002
        """The same, since the kernel knows the ids."""
        return self

    def columns(self) -> tuple[Column, ...]:
        """Under MovieLens's own names."""
        return Column(USER_ID, Part.USER), Column(MOVIE_ID, Part.MOVIE)

    def tables(self) -> Tables:
        """None: the kernel reads the shared tables alone."""
        return {}
