"""CSV bodies to rows: all fields of a column are converted at once, and only a fault is
looked for row by row.

Most bodies are nothing but digits, commas and newlines, and numpy reads those at once.
Whatever else there is, a quote, a header, a sign, a fault, goes the long way, which is
the definition of what a body means.

A first row that names one of our columns is a header, which says where they are; other
columns are ignored. Without one the order is userId, movieId and, if there is a third,
timestamp. Where recommendations are asked, there is no movieId.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.questions import Question, Wanted
from serve.rows import (
    EMPTY,
    EXPECTED,
    FIELDS,
    TIMESTAMP_BOUND,
    ParsedRequest,
    Row,
    decode_text,
    shown,
)

# int() and float() take more than we do: underscores, digits of other scripts, "nan",
# "inf".
_ID_CHARACTERS = frozenset("0123456789- \t")
_TIMESTAMP_CHARACTERS = frozenset("0123456789.+-eE \t")

Layout = dict[str, int]
_OF_A_USER = (USER_ID, TIMESTAMP)


def parse_csv(body: bytes) -> ParsedRequest:
    """Rows of a CSV body: UTF-8, LF or CRLF, fields quoted or not, blank lines skipped.

    A header alone is a table of no rows.

    Raises:
        RequestError: at the first row or value that isn't as it should be.
    """
    if (row := plain_row(body)) is not None:
        return ParsedRequest(RatingQueries(*[np.array([value]) for value in row]))
    if (plain := _plain_columns(body)) is not None:
        return ParsedRequest(plain)
    columns = _columns(body, FIELDS)
    return ParsedRequest(
        RatingQueries(columns[USER_ID], columns[MOVIE_ID], columns[TIMESTAMP])
    )


def parse_users(body: bytes, wanted: Wanted) -> ParsedRequest:
    """A question for recommendations a row, which is a userId and perhaps a timestamp;
    otherwise as `parse_csv`.
    """
    columns = _columns(body, _OF_A_USER)
    rows = zip(columns[USER_ID].tolist(), columns[TIMESTAMP].tolist(), strict=True)
    questions = [
        Question(user_id, None, timestamp, None, wanted) for user_id, timestamp in rows
    ]
    return ParsedRequest(RatingQueries.none(), questions=dict(enumerate(questions)))


def _columns(body: bytes, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """A column for each of the names, the last of which a body need not have."""
    text = decode_text(body)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [row for row in reader if len(row) > 1 or not _is_blank(row)]
    except csv.Error as error:
        raise RequestError(f"line {reader.line_num}: {error}, expected CSV") from None
    if not rows:
        raise RequestError(EMPTY)
    layout, has_header = _layout(rows[0], names)
    values = rows[1:] if has_header else rows
    if not {len(rows[0])}.issuperset(map(len, values)):
        raise _first_fault(text, layout, has_header)
    try:
        columns = {
            name: _CONVERTERS[name]([row[place] for row in values])
            for name, place in layout.items()
        }
    except (ValueError, OverflowError):
        raise _first_fault(text, layout, has_header) from None
    return {TIMESTAMP: np.full(len(values), np.nan), **columns}


# Numbers of more digits may be beyond int64.
_MOST_DIGITS = 18
_PLAIN = b"0123456789,\n"
_COMMA, _NEWLINE = b",\n"
_NUMBER = rb"(\d{1,%d}+)" % _MOST_DIGITS
_PLAIN_ROW = re.compile(rb"%b,%b(?:,%b)?\r?\n?" % (_NUMBER, _NUMBER, _NUMBER))


def plain_row(body: bytes) -> Row | None:
    """The values of a body of one row of digits and commas, or None where it has
    anything else.
    """
    found = _PLAIN_ROW.fullmatch(body)
    if found is None:
        return None
    user_id, movie_id, seconds = found.groups()
    timestamp = math.nan if seconds is None else float(seconds)
    return (
        None
        if timestamp >= TIMESTAMP_BOUND
        else (int(user_id), int(movie_id), timestamp)
    )


def _plain_columns(body: bytes) -> RatingQueries | None:
    """The columns of a body of digits in lines of two or three fields each, or None
    where it has anything else.
    """
    body = body.replace(b"\r\n", b"\n")
    if not body.endswith(b"\n"):
        body += b"\n"
    width = body.partition(b"\n")[0].count(b",") + 1
    if width not in (2, 3) or body.translate(None, _PLAIN):
        return None
    letters = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(letters < ord("0"))
    lengths = np.diff(ends, prepend=-1) - 1
    if len(ends) % width or lengths.min() < 1 or lengths.max() > _MOST_DIGITS:
        return None
    marks = letters[ends].reshape(-1, width)
    if (marks[:, :-1] != _COMMA).any() or (marks[:, -1] != _NEWLINE).any():
        return None
    table = np.fromstring(
        body[:-1].replace(b"\n", b","), dtype=np.int64, sep=","
    ).reshape(-1, width)
    timestamp = (
        table[:, 2].astype(np.float64) if width == 3 else np.full(len(table), np.nan)
    )
    if timestamp.max() >= TIMESTAMP_BOUND:
        return None
    return RatingQueries(table[:, 0].copy(), table[:, 1].copy(), timestamp)


def _is_blank(row: list[str]) -> bool:
    return len(row) < 2 and not "".join(row).strip()


def _layout(first: list[str], names: tuple[str, ...]) -> tuple[Layout, bool]:
    """The place of each column that is there, and whether the first row is a header."""
    cells = [cell.strip() for cell in first]
    if not set(names) & set(cells):
        return _positions(first, names), False
    layout = {name: cells.index(name) for name in names if name in cells}
    repeated = [name for name in layout if cells.count(name) > 1]
    *needed, optional = names
    if repeated or not layout.keys() >= set(needed):
        expected = f"{', '.join(needed)} and perhaps {optional}, each once"
        raise RequestError.at(1, "the header", shown(",".join(first)), expected)
    return layout, True


def _positions(first: list[str], names: tuple[str, ...]) -> Layout:
    if len(first) not in (len(names) - 1, len(names)):
        expected = f"{','.join(names[:-1])} or {','.join(names)}; other columns need a header that names these"
        raise RequestError.at(1, "the row", shown(",".join(first)), expected)
    return {name: place for place, name in enumerate(names[: len(first)])}


def _ids(cells: Sequence[str]) -> NDArray[np.int64]:
    if not _ID_CHARACTERS.issuperset("".join(cells)):
        raise ValueError("not a whole number")
    return np.array(list(map(int, cells)), dtype=np.int64)


def _timestamps(cells: Sequence[str]) -> NDArray[np.float64]:
    if not _TIMESTAMP_CHARACTERS.issuperset("".join(cells)):
        raise ValueError("not a number")
    seconds = np.array(
        [float(cell.strip() or "nan") for cell in cells], dtype=np.float64
    )
    if np.any((seconds < 0) | (seconds >= TIMESTAMP_BOUND)):
        raise ValueError("out of range")
    return seconds


_CONVERTERS: dict[str, Callable[[Sequence[str]], NDArray[Any]]] = {
    USER_ID: _ids,
    MOVIE_ID: _ids,
    TIMESTAMP: _timestamps,
}


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows again, each with the line on which it ends, counted from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    for row in reader:
        if not _is_blank(row):
            yield reader.line_num, row


def _first_fault(text: str, layout: Layout, has_header: bool) -> RequestError:
    """Convert each value by itself until one fails; the columns were converted by the
    same functions, so one does.
    """
    numbered = _numbered(text)
    width = len(next(numbered)[1]) if has_header else len(layout)
    for line, row in numbered:
        if len(row) != width:
            return RequestError.at(
                line,
                "the row",
                shown(",".join(row)),
                f"{width} fields as in the first row",
            )
        for name, place in sorted(layout.items(), key=lambda item: item[1]):
            try:
                _CONVERTERS[name]([row[place]])
            except (ValueError, OverflowError):
                return RequestError.at(line, name, shown(row[place]), EXPECTED[name])
    raise AssertionError("a column failed although each of its values converts")
