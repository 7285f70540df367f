"""Feature columns, and what each depends on: the movie, the user or the moment."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Part(IntEnum):
    """What a feature or a tree depends on.

    Each part includes those before it: what depends on the moment may depend on the
    user and the movie as well.
    """

    MOVIE = 0
    USER = 1
    MOMENT = 2


class Column(NamedTuple):
    """A feature column.

    Attributes:
        name: unique among the columns of a spec.
        part: what its values depend on.

    Example:
        >>> Column("hour", Part.MOMENT).part > Part.USER
        True
    """

    name: str
    part: Part
