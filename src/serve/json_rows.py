"""JSON and JSON Lines bodies to rows: typed decoding by msgspec, and where it refuses,
a slow reading that says why.

The slow reading is the definition and the fast one its shortcut: whatever the fast one
    takes, the slow one takes alike.
Objects hold userId, movieId and, where it is known, timestamp; those that hold
``history`` or ``recommend`` are questions and read the slow way. Any other field is
refused, since a misspelt one would otherwise go unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.questions import HISTORY, RECOMMEND, Question, check_fields
from serve.rows import (
    EXPECTED,
    FIELDS,
    ID_MAX,
    ID_MIN,
    TIMESTAMP_BOUND,
    ParsedRequest,
    Shape,
    decode_text,
    shown,
)

_INSTANCES = "instances"
_BODY_EXPECTED = (
    'an object with userId and movieId, a list of them, or {"instances": [...]}'
)
_BOM = b"\xef\xbb\xbf"

# More digits than any value that we take. int() refuses thousands of them; what float()
# gives is out of range as well.
_MOST_DIGITS = 40

_Id = Annotated[int, msgspec.Meta(ge=ID_MIN, le=ID_MAX)]
_Timestamp = Annotated[float, msgspec.Meta(ge=0, lt=TIMESTAMP_BOUND)]


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    user_id: _Id = msgspec.field(name=USER_ID)
    movie_id: _Id = msgspec.field(name=MOVIE_ID)
    timestamp: _Timestamp | None = msgspec.field(name=TIMESTAMP, default=None)


class _Instances(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[_Row]


# Decoding as the wrong shape fails within a microsecond, at the first byte or the first
# field.
_DECODERS: dict[Shape, Callable[[bytes], Any]] = {
    Shape.OBJECT: msgspec.json.Decoder(_Row).decode,
    Shape.LIST: msgspec.json.Decoder(list[_Row]).decode,
    Shape.INSTANCES: msgspec.json.Decoder(_Instances).decode,
}
_ROWS_OF: dict[Shape, Callable[[Any], list[_Row]]] = {
    Shape.OBJECT: lambda row: [row],
    Shape.LIST: lambda rows: rows,
    Shape.INSTANCES: lambda body: body.instances,
}
_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError)


def parse_json(body: bytes) -> ParsedRequest:
    """Rows of one object, of a list of objects, or of ``{"instances": [...]}``; a list
    may be empty.

    Raises:
        RequestError: at the first value that isn't as it should be; a list's places
            count as lines, from 1.
    """
    for shape, decode in _DECODERS.items():
        try:
            return ParsedRequest(_queries(_ROWS_OF[shape](decode(body))), shape)
        except _REFUSALS:
            continue
    shape, records = _records(_loads(decode_text(body)))
    return _parsed(
        (_row(line, record) for line, record in enumerate(records, start=1)), shape
    )


def parse_json_lines(body: bytes) -> ParsedRequest:
    """Rows of one object a line; blank lines are skipped.

    Raises:
        RequestError: at the first line or value that isn't as it should be.
    """
    rows = [
        _line(number, line)
        for number, line in enumerate(body.removeprefix(_BOM).splitlines(), start=1)
        if line.strip()
    ]
    if not rows:
        decode_text(body)
    return _parsed(rows)


def parse_json_records(body: bytes) -> ParsedRequest:
    """As `parse_json`, but a bad record is a fault among good ones.

    Raises:
        RequestError: if the body isn't JSON in one of the shapes.
    """
    shape, records = _records(_loads(decode_text(body)))
    rows: list[_Row | Question | RequestError] = []
    for line, record in enumerate(records, start=1):
        try:
            rows.append(_row(line, record))
        except RequestError as error:
            rows.append(error)
    return _parsed(rows, shape)


def _parsed(
    rows: Iterable[_Row | Question | RequestError], shape: Shape = Shape.LIST
) -> ParsedRequest:
    pairs, faults, questions = [], {}, {}
    for place, row in enumerate(rows):
        match row:
            case Question():
                questions[place] = row
            case RequestError():
                faults[place] = str(row)
            case _:
                pairs.append(row)
    return ParsedRequest(_queries(pairs), shape, faults, questions)


def _line(number: int, line: bytes) -> _Row | Question:
    try:
        row: _Row = _DECODERS[Shape.OBJECT](line)
    except _REFUSALS:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise RequestError(
                f"line {number}: byte {line[error.start]:#04x} isn't UTF-8, expected UTF-8 text"
            ) from None
        return _row(number, _loads(text, number))
    return row


def _queries(rows: Sequence[_Row]) -> RatingQueries:
    return RatingQueries(
        np.array([row.user_id for row in rows], dtype=np.int64),
        np.array([row.movie_id for row in rows], dtype=np.int64),
        np.array(
            [np.nan if row.timestamp is None else row.timestamp for row in rows],
            dtype=np.float64,
        ),
    )


def _loads(text: str, first_line: int = 1) -> Any:
    try:
        return json.loads(text, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise RequestError(
            f"line {line} isn't JSON: {error.msg} at character {error.colno}"
        ) from None
    except RecursionError:
        raise RequestError(
            f"line {first_line} is nested too deeply, expected {_BODY_EXPECTED}"
        ) from None


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _records(value: Any) -> tuple[Shape, list[Any]]:
    if isinstance(value, list):
        return Shape.LIST, value
    if not isinstance(value, dict):
        raise RequestError.at(1, "the body", shown(value), _BODY_EXPECTED)
    if _INSTANCES not in value:
        return Shape.OBJECT, [value]
    if len(value) > 1 or not isinstance(value[_INSTANCES], list):
        raise RequestError.at(
            1,
            "the body",
            shown(value),
            '{"instances": [...]} with a list and no other field',
        )
    return Shape.INSTANCES, value[_INSTANCES]


def _row(line: int, record: Any) -> _Row | Question:
    """The row of one decoded object.

    Raises:
        RequestError: at the first field that isn't as it should be.
    """
    if not isinstance(record, dict):
        raise RequestError.at(
            line, "the row", shown(record), "an object with userId and movieId"
        )
    if HISTORY in record or RECOMMEND in record:
        return Question.of(line, record)
    check_fields(line, record, FIELDS)
    for name in (USER_ID, MOVIE_ID):
        if name not in record:
            raise RequestError(
                f"line {line}: {name} is missing, expected {EXPECTED[name]}"
            )
    timestamp = record.get(TIMESTAMP)
    return _Row(
        record[USER_ID],
        record[MOVIE_ID],
        None if timestamp is None else float(timestamp),
    )
