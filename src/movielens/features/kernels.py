"""From fitted tables to features of rows: the extension's plan, made once for a spec
and called for any rows.

`_kernels.c` lists a function a group, which reads the tables that the group hands over
and writes its columns. There is no second way to make features, so without the
extension there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from movielens.errors import BuildError
from movielens.features.matrix import IdIndex
from movielens.features.profiles import Profiles
from movielens.features.training_rows import Catalogue

if TYPE_CHECKING:
    from movielens.features._rows import Plan

Tables = dict[str, NDArray[Any]]


# The name of a kernel, how many columns it writes, and its tables.
GroupTables = tuple[str, int, Tables]


def known_tables(
    users: IdIndex,
    catalogue: Catalogue,
    profiles: Profiles,
    class_values: tuple[float, ...],
) -> Tables:
    """What every kernel may look at."""
    return {
        "user_id": users.ids,
        "movie_id": catalogue.index.ids,
        "genre_flags": catalogue.genre_flags,
        "year": catalogue.year,
        "class_values": np.array(class_values, dtype=np.float32),
        "start": profiles.start,
        "rated_movie": profiles.movie_index,
        "rated_class": profiles.class_index,
        "rated_residual": profiles.residual,
        "rated_time": profiles.time,
    }


def plan_of(known: Tables, groups: Sequence[GroupTables]) -> Plan:
    """The plan that makes the columns of all groups, side by side.

    Raises:
        BuildError: if the extension wasn't built.
        ValueError: if a table isn't of the type and shape that its kernel reads, or the
            number of columns another.
    """
    plan: Plan = extension().Plan(known, tuple(groups))
    return plan


def extension() -> ModuleType:
    """The compiled part of features.

    Raises:
        BuildError: if it wasn't built.
    """
    try:
        from movielens.features import _rows
    except ImportError as error:
        raise BuildError(
            f"movielens.features._rows can't be loaded ({error}): install a C compiler, then this package once more"
        ) from error
    return _rows
