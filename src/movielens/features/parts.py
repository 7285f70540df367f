"""What each feature depends on: the movie alone, the user too, or the moment as well."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Part(IntEnum):
    """What a feature or a tree looks at, each at what those before look at too."""

    MOVIE = 0
    USER = 1
    MOMENT = 2


_OF_MOVIE = ("genre_", "movie_", "movieId")
_OF_MOMENT = ("recent_", "latest_", "nearest_", "pace_", "beyond_taste_")
_NAMED = {
    "year": Part.MOVIE,
    "factors_movie": Part.MOVIE,
    "movie_quantile_for_user": Part.USER,
    **dict.fromkeys(
        ("timestamp", "movie_age", "hour", "weekday", "days_of_user", "days_of_movie"),
        Part.MOMENT,
    ),
    **dict.fromkeys(("blend", "blend_mood"), Part.MOMENT),
}


class Column(NamedTuple):
    """A feature column.

    Attributes:
        name: unique among the columns of a spec.
        part: what its values depend on.
    """

    name: str
    part: Part


def part_of(name: str) -> Part:
    """What a feature of this name depends on."""
    if name in _NAMED:
        return _NAMED[name]
    if name.startswith(_OF_MOMENT) or "_recent_" in name:
        return Part.MOMENT
    return Part.MOVIE if name.startswith(_OF_MOVIE) else Part.USER
