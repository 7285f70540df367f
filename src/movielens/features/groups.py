"""The feature groups by name, and what they have in common.

Each group is fitted on a `TrainingRows` here; the kernel of its name, which `_kernels.c`
lists, makes its columns of any row from its tables. A group keeps nothing but arrays
whose last row stands for the unknown, so that it is saved, loaded and applied without a
special case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Protocol, Self

from numpy.typing import NDArray

from movielens.features.affinity import Affinity
from movielens.features.clock import Clock
from movielens.features.factors import Factors
from movielens.features.histograms import Histograms
from movielens.features.ids import Ids
from movielens.features.kernels import Tables
from movielens.features.neighbours import Neighbours
from movielens.features.pace import Pace
from movielens.features.recency import Recency
from movielens.features.slopes import Slopes
from movielens.features.statistics import Statistics
from movielens.features.taste import Taste
from movielens.features.training_rows import TrainingRows


class FeatureGroup(Protocol):
    """What `FeatureSpec` needs of a group."""

    name: ClassVar[str]

    @classmethod
    def fit(cls, history: TrainingRows) -> Self:
        """Learn from training rows."""

    def with_users(self, history: TrainingRows) -> Self:
        """The same knowledge of movies with other users: those of ``history``, whose
        bias of movies is this one's.
        """

    def names(self) -> tuple[str, ...]:
        """A name for each column."""

    def tables(self) -> Tables:
        """What the kernel of the group's name makes the columns of any row from."""


GROUPS: dict[str, type[FeatureGroup]] = {
    group.name: group
    for group in (
        Statistics,
        Histograms,
        Affinity,
        Slopes,
        Factors,
        Neighbours,
        Clock,
        Recency,
        Pace,
        Taste,
        Ids,
    )
}
# Ids bring nothing beside the others, and the trees that they make know no new user.
DEFAULT_GROUPS = tuple(name for name in GROUPS if name != Ids.name)


def group_arrays(group: FeatureGroup) -> dict[str, NDArray[Any]]:
    """A group's arrays, by ``<group>.<field>``."""
    return {
        f"{group.name}.{name}": getattr(group, name) for name in _stored(type(group))
    }


def group_from_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> FeatureGroup:
    """The group that `group_arrays` was called on; raises KeyError where it isn't
    there.
    """
    kind = GROUPS[name]
    return kind(**{field: arrays[f"{name}.{field}"] for field in _stored(kind)})


def _stored(kind: type[FeatureGroup]) -> list[str]:
    """The names of the arrays that a group is made of."""
    return [field.name for field in fields(kind)]  # type: ignore[arg-type]
