"""The rows of a request, whatever the format they came in.

A row is read to a `Row` or a `Question`, or to the error that says what is wrong with
it. `Rows` holds some of them and `ParsedRequest` a whole body, block by block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from movielens.errors import RequestError
from movielens.grammar import BLANKS
from movielens.queries import RatingQueries
from serve.questions import Question

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_TEXT = BLANKS.encode() + b"\r\n"
# The first character, behind a byte order mark and blanks. They aren't looked at twice.
_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?+[%b]*+([^%b])" % (_NOT_TEXT, _NOT_TEXT))
# So many bytes are decoded at a time.
_PIECE = 2**18
_MOST_BYTES_OF_A_CHARACTER = 4

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


class Rows(NamedTuple):
    """Rows that follow each other in a body.

    A row's place is its position among them, from 0. Places that are in neither
    ``faults`` nor ``questions`` belong to ``queries``, in order.

    Attributes:
        queries: the rows that ask for one rating and nothing else.
        faults: by place, what is wrong with a row that can't be answered.
        questions: by place, the rows that ask for more than one rating.
    """

    queries: RatingQueries
    faults: Mapping[int, str] = NOTHING
    questions: Mapping[int, Question] = NOTHING

    @classmethod
    def gather(cls, rows: Iterable[RowOrFault]) -> Self:
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
        return cls(_queries_of(pairs), faults, questions)

    @classmethod
    def read_each(
        cls,
        read: Callable[[int, Any], Row | Question],
        numbers: Iterable[int],
        records: Iterable[Any],
    ) -> Self:
        """Read records one by one; bad ones are faults.

        Bad records are often alike, such as blank lines. So what is wrong is found once
        for equal ones.

        Args:
            read: reads a record with its number; raises `RequestError` if it is bad.
            numbers: of the records; there may be more of them.
            records: bytes, or what JSON is decoded to.
        """
        faults: dict[int, str] = {}
        questions: dict[int, Question] = {}
        pairs: list[Row] = []
        known: dict[Any, str] = {}
        for place, (number, record) in enumerate(zip(numbers, records, strict=False)):
            key = _key_of(record)
            fault = known.get(key)
            if fault is not None:
                faults[place] = f"line {number}{fault}"
                continue
            row = row_or_fault(read, number, record)
            match row:
                case Row():
                    pairs.append(row)
                case Question():
                    questions[place] = row
                case RequestError():
                    message = str(row)
                    faults[place] = message
                    where, behind = f"line {number}", message.partition(str(number))[2]
                    if key is not None and message == where + behind:
                        known[key] = behind
        return cls(_queries_of(pairs), faults, questions)

    @classmethod
    def join(cls, parts: Iterable[Rows]) -> Self:
        """The rows of all parts, one part after the other."""
        queries: list[RatingQueries] = []
        faults: dict[int, str] = {}
        questions: dict[int, Question] = {}
        n_rows = 0
        for part in parts:
            queries.append(part.queries)
            for place, message in part.faults.items():
                faults[n_rows + place] = message
            for place, question in part.questions.items():
                questions[n_rows + place] = question
            n_rows += part.n_rows
        return cls(_concatenated(queries), faults, questions)

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.queries) + len(self.faults) + len(self.questions)

    @property
    def are_plain(self) -> bool:
        """Whether each row asks for one rating and nothing else."""
        return not self.faults and not self.questions

    def query_places(self) -> list[int]:
        """The place of each row of ``queries``."""
        elsewhere = self.faults.keys() | self.questions.keys()
        return [place for place in range(self.n_rows) if place not in elsewhere]

    def split(self, most: int) -> Iterator[Rows]:
        """The same rows in parts of up to so many."""
        n_rows = self.n_rows
        if n_rows <= most:
            yield self
            return
        first_query = 0
        for start in range(0, n_rows, most):
            places = range(start, min(start + most, n_rows))
            faults = _part_of(self.faults, places)
            questions = _part_of(self.questions, places)
            n_queries = len(places) - len(faults) - len(questions)
            rows = np.arange(first_query, first_query + n_queries)
            yield Rows(self.queries.take(rows), faults, questions)
            first_query += n_queries


def _key_of(record: Any) -> Any:
    """The same for equal records, None for those that aren't compared."""
    if type(record) is bytes:
        return record
    if type(record) in (dict, list):
        return None if record else type(record)
    return type(record), record  # 1, 1.0 and true are equal in Python


def _concatenated(parts: list[RatingQueries]) -> RatingQueries:
    if not parts:
        return RatingQueries.none()
    return RatingQueries(
        np.concatenate([part.user_id for part in parts]),
        np.concatenate([part.movie_id for part in parts]),
        np.concatenate([part.timestamp for part in parts]),
    )


T = TypeVar("T")


def _part_of(by_place: Mapping[int, T], places: range) -> Mapping[int, T]:
    """What is at these places, which count from 0 then."""
    if not by_place:
        return NOTHING
    return {
        place - places.start: by_place[place] for place in places if place in by_place
    }


class ParsedRequest(NamedTuple):
    """A body whose rows are read in blocks, so that they are never held all at once.

    Attributes:
        cut: makes the blocks, raw ones, of bounded size; there may be none. It may be
            called several times. Raises `RequestError` where the body isn't rows.
        read: reads the rows of a block. Raises `RequestError` at the first bad one, if
            a bad row fails the request.
        shape: how the rows came; always a list in formats other than JSON.
        parameters: options by name, if the body has some.
    """

    cut: Callable[[], Iterable[Any]]
    read: Callable[[Any], Rows]
    shape: Shape = Shape.LIST
    parameters: Mapping[str, Any] = NOTHING

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """A body that is read already."""
        return cls(lambda: (rows,), _itself)

    def blocks(self) -> Iterator[Rows]:
        """The rows, block by block."""
        return map(self.read, self.cut())

    def whole(self) -> Rows:
        """All rows at once, which takes memory if the body is long."""
        return Rows.join(self.blocks())


def _itself(rows: Rows) -> Rows:
    return rows


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
        # Its traceback would keep the rows around it in memory.
        return error.with_traceback(None)


def at_row(place: int, message: str) -> str:
    """A message about the row in a place, from 0."""
    return f"row {place + 1}: {message}"


def first_character(body: bytes) -> bytes:
    """The first byte of a body that isn't blank, empty if there is none."""
    found = _FIRST.match(body)
    return b"" if found is None else found[1]


def check_text(body: bytes) -> None:
    """Check that a body is text.

    Raises:
        RequestError: if it is blank or isn't UTF-8.
    """
    check_utf8(body)
    if not first_character(body):
        raise RequestError(EMPTY)


def check_utf8(body: bytes) -> None:
    """Check that a body is UTF-8, without holding its text.

    Raises:
        RequestError: at the first byte that isn't.
    """
    if body.isascii():
        return
    line = 1
    start = 0
    while start < len(body):
        end = _end_of_character(body, start + _PIECE)
        piece = body[start:end]
        decode_utf8(piece, line)
        line += piece.count(b"\n")
        start = end


def _end_of_character(body: bytes, place: int) -> int:
    """The first place from here on at which no character goes on."""
    last = min(place + _MOST_BYTES_OF_A_CHARACTER, len(body))
    while place < last and body[place] & 0xC0 == 0x80:
        place += 1
    return min(place, len(body))


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
