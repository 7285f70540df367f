"""CSV bodies to rows.

A first row that names one of our columns is a header. It says where the columns are,
and other columns are ignored. Without a header the order is userId, movieId and, if
there is a third, timestamp. Where recommendations are asked for, there is no movieId.

All values of a column are converted at once. Only if that fails are the rows read one
by one, to find the first that is wrong. A batch in which a row is wrong is read line by
line, so that the row takes no other with it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.fields import FIELDS, RULES, TIMESTAMP_BOUND, shown
from serve.formats.format import BodyParser
from serve.questions import Question, Wanted
from serve.rows import (
    EMPTY,
    ParsedRequest,
    Row,
    decode_text,
    decode_utf8,
    row_or_fault,
)

# int() and float() take more than we do: underscores, digits of other scripts, "nan",
# "inf".
_ID_CHARACTERS = frozenset("0123456789- \t")
_TIMESTAMP_CHARACTERS = frozenset("0123456789.+-eE \t")

_FIELDS_OF_A_USER = (USER_ID, TIMESTAMP)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

ColumnPlaces = dict[str, int]
Cells = list[str]
NumberedCells = list[tuple[int, Cells]]
RowMaker = Callable[[dict[str, Any]], Row | Question]


def parse_csv(body: bytes) -> ParsedRequest:
    """Rows of a CSV body: UTF-8, LF or CRLF, fields quoted or not, blank lines skipped.

    A header alone is a table of no rows.

    Raises:
        RequestError: at the first row or value that can't be read.

    Example:
        >>> parse_csv(b"movieId,userId\\n318,1\\n").queries.movie_id.tolist()
        [318]
    """
    columns = _read_columns(body, FIELDS)
    return ParsedRequest(
        RatingQueries(columns[USER_ID], columns[MOVIE_ID], columns[TIMESTAMP])
    )


def parse_users(body: bytes, wanted: Wanted) -> ParsedRequest:
    """A question for recommendations a row, which is a userId and perhaps a timestamp;
    otherwise as `parse_csv`.
    """
    columns = _read_columns(body, _FIELDS_OF_A_USER)
    questions = {}
    users = zip(columns[USER_ID].tolist(), columns[TIMESTAMP].tolist(), strict=True)
    for place, (user_id, timestamp) in enumerate(users):
        questions[place] = Question(user_id, None, timestamp, None, wanted)
    return ParsedRequest(RatingQueries.none(), questions=questions)


def _make_row(values: dict[str, Any]) -> Row:
    timestamp = values.get(TIMESTAMP, math.nan)
    return Row(values[USER_ID], values[MOVIE_ID], timestamp)


def _read_each_line(
    body: bytes,
    strict: Callable[[bytes], ParsedRequest],
    names: tuple[str, ...],
    make_row: RowMaker,
) -> ParsedRequest:
    """Read a batch: all at once where no row is bad, otherwise line by line."""
    try:
        return strict(body)
    except RequestError:
        lines = _numbered_lines(body)
        header = lines.pop(0) if lines and _has_a_name(lines[0][1]) else None
        if not lines:
            raise

    def read_line(number: int, line: bytes) -> Row | Question:
        cells = _split_line(number, line)
        if header is None:
            places = _places_by_position(number, cells, names)
            width = len(cells)
        else:
            header_cells = _split_line(*header)
            places = _places_in_header(header[0], header_cells, names)
            width = len(header_cells)
        return make_row(_read_values(number, cells, places, width))

    return ParsedRequest.gather(row_or_fault(read_line, *line) for line in lines)


def _numbered_lines(body: bytes) -> list[tuple[int, bytes]]:
    lines = body.removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    numbered = enumerate(lines, start=1)
    return [(number, line) for number, line in numbered if line.strip()]


def _has_a_name(line: bytes) -> bool:
    return any(name.encode() in line for name in FIELDS)


def _split_line(number: int, line: bytes) -> Cells:
    text = decode_utf8(line, first_line=number)
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise _csv_error(number, error) from None


def _csv_error(line: int, error: csv.Error) -> RequestError:
    return RequestError(f"line {line}: {error}, expected CSV")


def _read_columns(body: bytes, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """A column for each of the names; the body need not have the last of them."""
    rows = _numbered_cells(decode_text(body))
    if not rows:
        raise RequestError(EMPTY)

    first_line, first_cells = rows[0]
    width = len(first_cells)
    if _is_header(first_cells, names):
        places = _places_in_header(first_line, first_cells, names)
        del rows[0]
    else:
        places = _places_by_position(first_line, first_cells, names)

    columns = _convert_columns([cells for _, cells in rows], places, width)
    if columns is None:
        raise _first_fault(rows, places, width)
    if TIMESTAMP not in columns:
        columns[TIMESTAMP] = np.full(len(rows), np.nan)
    return columns


def _numbered_cells(text: str) -> NumberedCells:
    """Each row that isn't blank, with the line on which it ends, counted from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if not _is_blank(cells)]
    except csv.Error as error:
        raise _csv_error(reader.line_num, error) from None


def _is_blank(cells: Cells) -> bool:
    return len(cells) < 2 and not "".join(cells).strip()


def _is_header(cells: Cells, names: tuple[str, ...]) -> bool:
    return any(cell.strip() in names for cell in cells)


def _places_in_header(line: int, header: Cells, names: tuple[str, ...]) -> ColumnPlaces:
    """The place of each column that the header names."""
    cells = [cell.strip() for cell in header]
    places = {name: cells.index(name) for name in names if name in cells}
    *needed, optional = names
    is_complete = places.keys() >= set(needed)
    is_repeated = any(cells.count(name) > 1 for name in places)
    if is_repeated or not is_complete:
        expected = f"{', '.join(needed)} and perhaps {optional}, each once"
        raise RequestError.at(line, "the header", _shown_row(header), expected)
    return places


def _places_by_position(
    line: int, cells: Cells, names: tuple[str, ...]
) -> ColumnPlaces:
    """The place of each column where there is no header."""
    needed = names[:-1]
    if len(cells) not in (len(needed), len(names)):
        expected = (
            f"{','.join(needed)} or {','.join(names)}; "
            "other columns need a header that names these"
        )
        raise RequestError.at(line, "the row", _shown_row(cells), expected)
    return {name: place for place, name in enumerate(names[: len(cells)])}


def _shown_row(cells: Cells) -> object:
    return shown(",".join(cells))


def _convert_columns(
    rows: list[Cells], places: ColumnPlaces, width: int
) -> dict[str, NDArray[Any]] | None:
    """All columns, or None if a row has another width or a value is bad."""
    if any(len(cells) != width for cells in rows):
        return None
    columns = {}
    try:
        for name, place in places.items():
            columns[name] = _CONVERTERS[name]([cells[place] for cells in rows])
    except (ValueError, OverflowError):
        return None
    return columns


def _first_fault(rows: NumberedCells, places: ColumnPlaces, width: int) -> RequestError:
    """What is wrong with the first bad row; columns are made of the same values, so
    there is one.
    """
    for line, cells in rows:
        try:
            _read_values(line, cells, places, width)
        except RequestError as error:
            return error
    raise AssertionError("a column can't be read although each of its values can")


def _read_values(
    line: int, cells: Cells, places: ColumnPlaces, width: int
) -> dict[str, Any]:
    """The values of one row by column."""
    if len(cells) != width:
        expected = f"{width} fields as in the first row"
        raise RequestError.at(line, "the row", _shown_row(cells), expected)
    values = {}
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        cell = cells[place]
        try:
            values[name] = _CONVERTERS[name]([cell]).item()
        except (ValueError, OverflowError):
            expected = RULES[name].expected
            raise RequestError.at(line, name, shown(cell), expected) from None
    return values


def _ids(cells: Sequence[str]) -> NDArray[np.int64]:
    if not _ID_CHARACTERS.issuperset("".join(cells)):
        raise ValueError("not a whole number")
    return np.array([int(cell) for cell in cells], dtype=np.int64)


def _timestamps(cells: Sequence[str]) -> NDArray[np.float64]:
    if not _TIMESTAMP_CHARACTERS.issuperset("".join(cells)):
        raise ValueError("not a number")
    seconds = np.array([float(cell.strip() or "nan") for cell in cells])
    if ((seconds < 0) | (seconds >= TIMESTAMP_BOUND)).any():
        raise ValueError("out of range")
    return seconds


_CONVERTERS: dict[str, Callable[[Sequence[str]], NDArray[Any]]] = {
    USER_ID: _ids,
    MOVIE_ID: _ids,
    TIMESTAMP: _timestamps,
}


def _lenient_csv(body: bytes) -> ParsedRequest:
    return _read_each_line(body, parse_csv, FIELDS, _make_row)


PAIRS = BodyParser(strict=parse_csv, lenient=_lenient_csv)
"""Reads rows of a user and a movie."""


def users_parser(wanted: Wanted) -> BodyParser:
    """Reads rows of a user, each of whom is recommended what is wanted."""

    def make_question(values: dict[str, Any]) -> Question:
        timestamp = values.get(TIMESTAMP, math.nan)
        return Question(values[USER_ID], None, timestamp, None, wanted)

    def strict(body: bytes) -> ParsedRequest:
        return parse_users(body, wanted)

    def lenient(body: bytes) -> ParsedRequest:
        return _read_each_line(body, strict, _FIELDS_OF_A_USER, make_question)

    return BodyParser(strict, lenient)
