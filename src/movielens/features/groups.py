"""The feature groups by name, and what they have in common.

A group is fitted on training rows in Python. The kernel of the same name, in C, makes
its columns of any row from its tables. A group has nothing but arrays, whose last row
stands for unknown users or movies; so it is saved, loaded and applied without special
cases. Its tuned constants are arrays too: an artifact carries them, and a later version
of the code with other constants answers as before.

``docs/development.md`` says how to add a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Protocol, Self

from numpy.typing import NDArray

from movielens.features.affinity import Affinity
from movielens.features.clock import Clock
from movielens.features.era import Era
from movielens.features.factors import Factors
from movielens.features.histograms import Histograms
from movielens.features.ids import Ids
from movielens.features.kernels import Tables
from movielens.features.mood import Mood
from movielens.features.neighbours import Neighbours
from movielens.features.pace import Pace
from movielens.features.parts import Column
from movielens.features.recency import Recency
from movielens.features.slopes import Slopes
from movielens.features.statistics import Statistics
from movielens.features.taste import Taste
from movielens.features.titles import Titles
from movielens.features.training_rows import TrainingRows


class FeatureGroup(Protocol):
    """What `FeatureSpec` needs of a group."""

    name: ClassVar[str]

    @classmethod
    def fit(cls, training: TrainingRows) -> Self:
        """The group as learnt from training rows."""

    def with_users(self, training: TrainingRows) -> Self:
        """The same group for other users, with movies and constants as they were.

        ``training`` has the ratings of these users, and its bias of movies is the one
        that the group was fitted with.
        """

    def columns(self) -> tuple[Column, ...]:
        """The columns, in the order in which the kernel writes them."""

    def tables(self) -> Tables:
        """What the kernel makes the columns from, by name."""


# These look at the level (level.py), which is fitted after all others, if one of these
# is wanted. Their kernels get its tables besides their own.
LEVEL_GROUPS: dict[str, type[FeatureGroup]] = {Mood.name: Mood}
_IN_ORDER: tuple[type[FeatureGroup], ...] = (
    Statistics,
    Histograms,
    Affinity,
    Slopes,
    Factors,
    Neighbours,
    Titles,
    Clock,
    Era,
    Recency,
    Pace,
    Taste,
    *LEVEL_GROUPS.values(),
    Ids,
)
GROUPS = {group.name: group for group in _IN_ORDER}
# Ids add nothing to the others, and trees that use them don't know new users.
DEFAULT_GROUPS = tuple(name for name in GROUPS if name != Ids.name)


def group_to_arrays(group: FeatureGroup) -> dict[str, NDArray[Any]]:
    """A group's arrays, by ``<group>.<field>``."""
    return {
        f"{group.name}.{field}": getattr(group, field)
        for field in _field_names(type(group))
    }


def group_from_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> FeatureGroup:
    """The group that `group_to_arrays` made these arrays of.

    Raises:
        KeyError: if there is no such group, or an array of it is missing.
    """
    group = GROUPS[name]
    return group(**{field: arrays[f"{name}.{field}"] for field in _field_names(group)})


def _field_names(group: type[FeatureGroup]) -> list[str]:
    return [field.name for field in fields(group)]  # type: ignore[arg-type]
