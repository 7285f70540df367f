"""The fields of a row: their names, the values they take, and the words for others.

The wire keeps MovieLens's column names. The rules are the same in every format, so a
row means the same however it is sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.grammar import parse_time

FIELDS = (USER_ID, MOVIE_ID, TIMESTAMP)

ID_MIN = -(2**63)
ID_MAX = 2**63 - 1
# Training's tables hold timestamps below this. Milliseconds, a common slip, are above.
TIMESTAMP_BOUND = 2.0**32

# From here on, floats skip whole numbers.
_INEXACT = 2.0**53

_LONGEST_SHOWN = 40


class FieldRule(NamedTuple):
    """What a field takes.

    Attributes:
        accepts: whether a value decoded from JSON is taken.
        expected: how an error message describes such values.
    """

    accepts: Callable[[Any], bool]
    expected: str


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number, such as 318 or 318.0."""
    if type(value) is int:
        return True
    return type(value) is float and value.is_integer() and abs(value) < _INEXACT


def is_id(value: Any) -> bool:
    """Whether a JSON value is a raw id."""
    if type(value) is int:
        return ID_MIN <= value <= ID_MAX
    return is_whole(value)


def is_timestamp(value: Any) -> bool:
    """Whether a JSON value is a timestamp, or null."""
    if value is None:
        return True
    if type(value) is str:
        return is_in_time(_seconds_of_text(value))
    return type(value) in (int, float) and is_in_time(value)


def is_in_time(seconds: float) -> bool:
    """Whether a number of seconds is within the bounds of a timestamp; NaN isn't."""
    return 0 <= seconds < TIMESTAMP_BOUND


def _seconds_of_text(text: str) -> float:
    """NaN if it is no time."""
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        return math.nan


def seconds(timestamp: Any) -> float:
    """The seconds of a JSON value that `is_timestamp` takes, NaN if it is null."""
    if timestamp is None:
        return math.nan
    if type(timestamp) is str:
        return parse_time(timestamp)
    return float(timestamp)


_WHOLE_NUMBER = "a whole number; send raw MovieLens ids"

RULES = {
    USER_ID: FieldRule(is_id, _WHOLE_NUMBER),
    MOVIE_ID: FieldRule(is_id, _WHOLE_NUMBER),
    TIMESTAMP: FieldRule(
        is_timestamp,
        "seconds since 1970, from 0 to 4294967295, or an ISO 8601 date, or nothing",
    ),
}


def shown(value: object) -> object:
    """A value in the form in which an error message shows it: always short.

    Example:
        >>> shown("x" * 50)
        'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'
        >>> shown([1, 2, 3])
        […]
        >>> shown(None)
        null
    """
    match value:
        case str() if len(value) > _LONGEST_SHOWN:
            return value[:_LONGEST_SHOWN] + "…"
        case list():
            return _Json("[…]")
        case dict():
            return _Json("{…}")
        case None | bool() | float():
            return _Json(json.dumps(value))
        case _:
            return value


class _Json(str):
    """A value as JSON writes it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
