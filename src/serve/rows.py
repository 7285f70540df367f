"""What every request body comes down to: columns of raw ids, and the shape in which
they came.

The wire keeps MovieLens's own column names. The limits on a value are the same in every
format, so that a row means the same however it is sent, and so are the words for a
value that breaks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from movielens.queries import RatingQueries

if TYPE_CHECKING:
    from serve.questions import Question

FIELDS = (USER_ID, MOVIE_ID, TIMESTAMP)

ID_MIN, ID_MAX = -(2**63), 2**63 - 1
# What training's tables can hold; milliseconds, a common slip, are beyond it.
TIMESTAMP_BOUND = 2.0**32

EXPECTED = {
    USER_ID: "a whole number; send raw MovieLens ids",
    MOVIE_ID: "a whole number; send raw MovieLens ids",
    TIMESTAMP: "seconds since 1970, from 0 to 4294967295, or nothing",
}

EMPTY = "the body is empty, expected rows of userId, movieId and perhaps timestamp"

_LONGEST_SHOWN = 40


# userId, movieId and timestamp, NaN where there is none.
Row = tuple[int, int, float]


class Shape(StrEnum):
    """How a body holds its rows; a JSON answer has the same shape."""

    OBJECT = "object"
    LIST = "list"
    INSTANCES = "instances"


_NONE: Mapping[int, Any] = MappingProxyType({})


class ParsedRequest(NamedTuple):
    """The rows of a request in its own order.

    Attributes:
        queries: the rows that ask how a user would rate a movie, and nothing more.
        shape: how they came; rows that don't come as JSON have the shape of a list.
        faults: what is wrong with rows that can't be answered, by their place among
            all, from 0.
        questions: rows that ask for more, by their place.
    """

    queries: RatingQueries
    shape: Shape = Shape.LIST
    faults: Mapping[int, str] = _NONE
    questions: Mapping[int, Question] = _NONE


def decode_text(body: bytes) -> str:
    """The body as text, without its byte order mark.

    Raises:
        RequestError: if the body is blank or isn't UTF-8.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"line {line}: byte {body[error.start]:#04x} isn't UTF-8, expected UTF-8 text"
        ) from None
    if not text.strip():
        raise RequestError(EMPTY)
    return text


def is_id(value: Any) -> bool:
    """Whether a JSON value is a raw id."""
    return type(value) is int and ID_MIN <= value <= ID_MAX


def is_timestamp(value: Any) -> bool:
    """Whether a JSON value is a timestamp, or null."""
    return value is None or (
        type(value) in (int, float) and 0 <= value < TIMESTAMP_BOUND
    )


def shown(value: object) -> object:
    """A value as an error message may hold it: short, whatever was sent."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "…"
    if isinstance(value, list | dict):
        return "[…]" if isinstance(value, list) else "{…}"
    return value
