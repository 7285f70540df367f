"""The rows of a request, whatever the format they came in.

A row is read to a `Row` or a `Question`, or to the error that says what is wrong with
it. `ParsedRequest` holds them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from movielens.errors import RequestError
from movielens.grammar import BLANKS, is_blank
from movielens.queries import RatingQueries
from serve.questions import Question

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What may come before the first character of a body.
_BEFORE_TEXT = BLANKS.encode() + b"\r\n"

EMPTY = "the body is empty, expected rows of userId, movieId and perhaps timestamp"


class Row(NamedTuple):
    """A question for one rating.

    Attributes:
        user_id: raw MovieLens id.
        movie_id: raw MovieLens id.
        timestamp: seconds since 1970, NaN if none was given.
    """

    user_id: int
    movie_id: int
    timestamp: float


RowOrFault = Row | Question | RequestError


class Shape(StrEnum):
    """How a body holds its rows; a JSON answer has the same shape."""

    OBJECT = "object"
    LIST = "list"
    INSTANCES = "instances"


NOTHING: Mapping[Any, Any] = MappingProxyType({})


class ParsedRequest(NamedTuple):
    """All rows of a request.

    A row's place is its position among all rows, from 0. Places that are in neither
    ``faults`` nor ``questions`` belong to ``queries``, in order.

    Attributes:
        queries: the rows that ask for one rating and nothing else.
        shape: how the rows came; always a list in formats other than JSON.
        faults: by place, what is wrong with a row that can't be answered.
        questions: by place, the rows that ask for more than one rating.
        parameters: options by name, if the body has some.
    """

    queries: RatingQueries
    shape: Shape = Shape.LIST
    faults: Mapping[int, str] = NOTHING
    questions: Mapping[int, Question] = NOTHING
    parameters: Mapping[str, Any] = NOTHING

    @classmethod
    def gather(
        cls,
        rows: Iterable[RowOrFault],
        shape: Shape = Shape.LIST,
        parameters: Mapping[str, Any] = NOTHING,
    ) -> Self:
        """Put rows that were read one by one into columns."""
        pairs: list[Row] = []
        faults: dict[int, str] = {}
        questions: dict[int, Question] = {}
        for place, row in enumerate(rows):
            match row:
                case Row():
                    pairs.append(row)
                case Question():
                    questions[place] = row
                case RequestError():
                    faults[place] = str(row)
        return cls(_queries_of(pairs), shape, faults, questions, parameters)

    def query_places(self) -> list[int]:
        """The place of each row of ``queries``."""
        elsewhere = self.faults.keys() | self.questions.keys()
        n_rows = len(self.queries) + len(elsewhere)
        return [place for place in range(n_rows) if place not in elsewhere]


def _queries_of(pairs: list[Row]) -> RatingQueries:
    return RatingQueries(
        np.array([pair.user_id for pair in pairs], dtype=np.int64),
        np.array([pair.movie_id for pair in pairs], dtype=np.int64),
        np.array([pair.timestamp for pair in pairs], dtype=np.float64),
    )


def row_or_fault(read: Callable[..., Row | Question], *arguments: Any) -> RowOrFault:
    """What ``read`` returns for these arguments, or the `RequestError` it raises."""
    try:
        return read(*arguments)
    except RequestError as error:
        return error


def first_character(body: bytes) -> bytes:
    """The first byte of a body that isn't blank, empty if there is none."""
    return body.removeprefix(BYTE_ORDER_MARK).lstrip(_BEFORE_TEXT)[:1]


def decode_text(body: bytes) -> str:
    """The body as text, without its byte order mark.

    Raises:
        RequestError: if the body is blank or isn't UTF-8.
    """
    text = decode_utf8(body).removeprefix("\ufeff")
    if is_blank(text):
        raise RequestError(EMPTY)
    return text


def decode_utf8(data: bytes, first_line: int = 1) -> str:
    """Text from UTF-8.

    Raises:
        RequestError: at the first byte that isn't UTF-8. ``first_line`` is the number
            of the line that the data begins with.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        byte = data[error.start]
        raise RequestError(
            f"line {line}: byte {byte:#04x} isn't UTF-8, expected UTF-8 text"
        ) from None
