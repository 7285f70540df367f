"""The compiled kernels, which make features of rows from fitted tables.

Each feature group has a kernel of its name (see ``_kernels.c``), which reads the tables
that the group hands over and writes its columns. A row maker holds the tables of a
fitted spec; it is made once and called for any rows. There is no second way to make
features, so there are none without the extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.errors import BuildError
from movielens.features.matrix import IdIndex
from movielens.features.profiles import Profiles
from movielens.features.training_rows import Catalogue

if TYPE_CHECKING:
    from movielens.features._kernels import RowMaker

Tables = dict[str, NDArray[Any]]


class KernelInput(NamedTuple):
    """What a kernel is given.

    Attributes:
        kernel: its name.
        names: of the columns, in the order in which the kernel writes them.
        tables: its own, by name.
    """

    kernel: str
    names: tuple[str, ...]
    tables: Tables


def shared_tables(
    users: IdIndex,
    catalogue: Catalogue,
    profiles: Profiles,
    class_values: tuple[float, ...],
) -> Tables:
    """The tables that every kernel may read."""
    return {
        "user_id": users.ids,
        "movie_id": catalogue.index.ids,
        "genre_flags": catalogue.genre_flags,
        "year": catalogue.year,
        "class_values": np.array(class_values, dtype=np.float32),
        "rated_start": profiles.start,
        "rated_movie": profiles.movie_index,
        "rated_class": profiles.class_index,
        "rated_residual": profiles.residual,
        "rated_time": profiles.time,
    }


def make_row_maker(shared: Tables, groups: Sequence[KernelInput]) -> RowMaker:
    """A row maker, which writes the columns of all groups side by side.

    Raises:
        BuildError: if the extension isn't built.
        ValueError: if a table doesn't have the type and shape that its kernel reads, or
            the names aren't those of the columns that the kernel writes, in its order.
    """
    maker: RowMaker = extension().RowMaker(shared, tuple(groups))
    return maker


def extension() -> ModuleType:
    """The compiled module.

    Raises:
        BuildError: if it isn't built.
    """
    try:
        from movielens.features import _kernels
    except ImportError as error:
        raise BuildError(
            f"movielens.features._kernels can't be loaded ({error}): install a C "
            "compiler, then install this package again"
        ) from error
    return _kernels
