"""Feature columns, and what each depends on: movie, user, moment or date."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Part(IntEnum):
    """What a feature or a tree depends on.

    The user includes the movie, and the moment includes both. The date is apart: it
    includes the movie, and what it says holds for all users, those whom training never
    saw among them. The moment does without it, since it has the timestamp itself.
    """

    MOVIE = 0
    USER = 1
    MOMENT = 2
    DATE = 3

    def includes(self, other: Part) -> bool:
        """Whether who looks at this part also looks at ``other``.

        Example:
            >>> Part.USER.includes(Part.MOVIE), Part.USER.includes(Part.DATE)
            (True, False)
        """
        return other in _INCLUDED[self]


_INCLUDED = {
    Part.MOVIE: (Part.MOVIE,),
    Part.USER: (Part.MOVIE, Part.USER),
    Part.MOMENT: (Part.MOVIE, Part.USER, Part.MOMENT),
    Part.DATE: (Part.MOVIE, Part.DATE),
}


class Column(NamedTuple):
    """A feature column.

    Attributes:
        name: unique among the columns of a spec.
        part: what its values depend on.

    Example:
        >>> Column("hour", Part.MOMENT).part.includes(Part.USER)
        True
    """

    name: str
    part: Part
