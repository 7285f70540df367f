"""CSV bodies to rows.

A first row that names one of our columns is a header. It says where the columns are,
and other columns are ignored. Without a header the order is userId, movieId and, if
there is a third, timestamp. Where movies are asked for, there is no movieId.
Numbers, times and lines are those of `movielens.grammar`.

All values of a column are converted at once. Only if that fails are the rows read one
by one, to find the first that is wrong. In a batch each line is a record. Where lines
and rows may differ, or a row is wrong, a batch is read line by line, so that no record
takes another with it.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.columns import (
    GENRES_COLUMN,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
)
from movielens.errors import RequestError
from movielens.grammar import (
    BLANKS,
    csv_fault,
    lone_cr_line,
    parse_id,
    parse_time,
)
from movielens.queries import RatingQueries
from serve.fields import FIELDS, RULES, TIMESTAMP_BOUND, shown
from serve.formats.format import BodyParser
from serve.formats.lines import (
    BLOCK_BYTES,
    BLOCK_LINES,
    FirstLine,
    LineBlock,
    NumberedLine,
    Stretch,
    check_length,
    check_line,
    cut_at_lines,
    first_line,
    line_blocks,
    lone_cr_error,
)
from serve.formats.plain_rows import MOST_DIGITS, plain_csv_rows
from serve.questions import Question, Wanted
from serve.rows import (
    BYTE_ORDER_MARK,
    EMPTY,
    ParsedRequest,
    Row,
    Rows,
    check_text,
    decode_utf8,
)

Cells = list[str]
Columns = dict[str, NDArray[Any]]
Values = dict[str, Any]

# One of these in the first row makes it a header, and none may be there twice.
_OUR_COLUMNS = (USER_ID, MOVIE_ID, RATING, TIMESTAMP, TITLE, GENRES_COLUMN)


class NumberedCells(NamedTuple):
    """The cells of a row, and the line on which it begins, counted from 1."""

    line: int
    cells: Cells


class ColumnPlaces(NamedTuple):
    """Where the columns are.

    Attributes:
        by_name: the place of each column that is there.
        width: how many cells a row has.
    """

    by_name: dict[str, int]
    width: int


class CellBlock(NamedTuple):
    """Some rows of a body that follow each other.

    Attributes:
        first: the first row of the body, which may be a header.
        rows: the rows without the header.
    """

    first: NumberedCells
    rows: list[NumberedCells]


# What is known of the columns of a batch: their places, what is wrong with the header,
# or None if each row has its own.
BatchPlaces = ColumnPlaces | RequestError | None


@dataclass(frozen=True, slots=True)
class CsvReader:
    """Reads bodies whose rows have certain columns.

    Attributes:
        names: the columns; the last of them may be missing.
        from_columns: makes rows of all columns.
        from_values: makes a row of its values by column.
        read_plain: reads many plain lines at once, to the same rows; None where they
            aren't plain.
    """

    names: tuple[str, ...]
    from_columns: Callable[[Columns], Rows]
    from_values: Callable[[Values], Row | Question]
    read_plain: Callable[[bytes], RatingQueries | None] = lambda _: None

    def strict(self, body: bytes) -> ParsedRequest:
        """Read many rows at once; the first row or value that can't be read raises."""
        return ParsedRequest(partial(cut_rows, body), self.read_cells)

    def read_cells(self, block: CellBlock) -> Rows:
        """Read some rows.

        Raises:
            RequestError: at the first row or value that can't be read.
        """
        if _is_header(block.first.cells):
            places = _places_in_header(block.first, self.names)
        else:
            places = _places_by_position(block.first, self.names)
        columns = _convert_columns([row.cells for row in block.rows], places)
        if columns is None:
            raise _first_fault(block.rows, places)
        return self._from_columns(columns, len(block.rows))

    def _from_columns(self, columns: Columns, n_rows: int) -> Rows:
        if TIMESTAMP not in columns:
            columns[TIMESTAMP] = np.full(n_rows, np.nan)
        return self.from_columns(columns)

    def lenient(self, body: bytes) -> ParsedRequest:
        """Read many rows at once, or line by line where that isn't the same.

        Raises:
            RequestError: if there are no rows.
        """
        header = first_line(body)
        if header is None:
            raise RequestError(EMPTY)
        if not _names_a_column(header.line):
            return ParsedRequest(partial(line_blocks, body), self.read_lines)
        places: BatchPlaces
        try:
            places = _places_in_header(_split_line(header.line), self.names)
        except RequestError as fault:
            places = RequestError(str(fault))  # without a traceback, which has the body
            if _is_empty(header.before) and _is_empty(header.behind):
                raise
        return ParsedRequest(
            partial(_cut_around, body, header), partial(self.read_lines, places=places)
        )

    def single(self, body: bytes) -> ParsedRequest:
        """Read one record of a batch, as `lenient` does.

        Raises:
            RequestError: if it is a header that says anything but the default order, or
                if there is no record.
        """
        header = first_line(body)
        if header is not None and _names_a_column(header.line):
            self._check_default_order(header.line)
        return self.lenient(body)

    def _check_default_order(self, header: NumberedLine) -> None:
        row = _split_line(header)
        names = tuple(cell.strip(BLANKS) for cell in row.cells)
        if names not in (self.names, self.names[:-1]):
            expected = (
                f"{','.join(self.names[:-1])} or {','.join(self.names)}: "
                "the records that follow come without a header"
            )
            raise _bad_row(row, "the header", expected)

    def read_lines(self, block: LineBlock, places: BatchPlaces = None) -> Rows:
        """Read some records of a batch."""
        if isinstance(places, RequestError):
            return Rows.gather([places] * block.n_lines)
        if places is None:
            plain = self.read_plain(block.text)
            if plain is not None:
                return Rows(plain)
        columns = self._convert_lines(block, places)
        if columns is not None:
            return self._from_columns(columns, block.n_lines)

        def read(number: int, text: bytes) -> Row | Question:
            return self._read_line(NumberedLine(number, text), places)

        lines = block.lines()
        return Rows.read_each(read, itertools.count(block.first), lines)

    def _convert_lines(
        self, block: LineBlock, places: ColumnPlaces | None
    ) -> Columns | None:
        """All columns, or None if the lines must be read one by one."""
        rows = _split_lines(block)
        if rows is None:
            return None
        if places is None:
            try:
                first = NumberedCells(block.first, rows[0])
                places = _places_by_position(first, self.names)
            except RequestError:
                return None
        return _convert_columns(rows, places)

    def _read_line(
        self, line: NumberedLine, places: ColumnPlaces | None
    ) -> Row | Question:
        row = _split_line(line)
        if places is None:
            places = _places_by_position(row, self.names)
        return self.from_values(_convert_row(row, places))


# Text to cells

# A header that is no CSV may have these between its names.
_BROKEN_HEADER = re.compile(
    rb'(?:^|[",\r])[%b]*+(?:%b)[%b]*(?:\Z|[",\r])'
    % (BLANKS.encode(), "|".join(_OUR_COLUMNS).encode(), BLANKS.encode())
)


def cut_rows(body: bytes) -> Iterator[CellBlock]:
    """All rows that aren't blank.

    Raises:
        RequestError: if there are none, or if it isn't CSV.
    """
    _check_csv(body)
    start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    blocks = _RowBlocks(body, Stretch(1, start, len(body)))
    first: NumberedCells | None = None
    for rows in blocks:
        if first is None:
            first = rows[0]
            if _is_header(first.cells):
                rows = rows[1:]
        yield CellBlock(first, rows)
    if first is None:
        raise RequestError(EMPTY)


def cut_rows_behind(
    body: bytes, first: NumberedCells, block: LineBlock
) -> Iterator[CellBlock]:
    """All rows from that block on, if those before it were read already.

    Raises:
        RequestError: if it isn't CSV.
    """
    _check_csv(body)
    for rows in _RowBlocks(body, Stretch(block.first, block.start, len(body))):
        yield CellBlock(first, rows)


def _check_csv(body: bytes) -> None:
    line = lone_cr_line(body)
    if line is not None:
        raise lone_cr_error(line)
    check_text(body)


class _RowBlocks:
    """The rows of a part of a body that aren't blank, some at a time.

    Iterating raises `RequestError` if it isn't CSV.
    """

    def __init__(self, body: bytes, stretch: Stretch) -> None:
        self._body = body
        self._stretch = stretch
        # Those that were read since the last row was complete.
        self._n_commas = 0

    def __iter__(self) -> Iterator[list[NumberedCells]]:
        reader = csv.reader(self._lines(), strict=True)
        first = self._stretch.first
        begin = first  # the line on which the row begins; quotes may hold line breaks
        rows: list[NumberedCells] = []
        n_cells = 0
        try:
            for cells in reader:
                self._n_commas = 0
                line = begin
                begin = first + reader.line_num
                if _is_blank(cells):
                    continue
                rows.append(NumberedCells(line, cells))
                n_cells += len(cells)
                if len(rows) == BLOCK_LINES or n_cells >= _BLOCK_CELLS:
                    yield rows
                    rows = []
                    n_cells = 0
        except csv.Error as error:
            raise _csv_error(begin, error) from None
        if rows:
            yield rows

    def _lines(self) -> Iterator[str]:
        """The lines with their ends."""
        for block in cut_at_lines(self._body, self._stretch, _TEXT_BYTES):
            self._n_commas += block.text.count(b",")
            _check_commas(block.first, self._n_commas)
            if block.n_lines == 1:
                check_length(block.first, len(block.text))
            text = block.text.decode()
            if len(block.text) > _TEXT_BYTES:
                yield text  # it is a single line
            else:
                yield from io.StringIO(text, newline="")


# How many cells are converted at a time, and how many bytes are decoded.
_BLOCK_CELLS = 3 * BLOCK_LINES
_TEXT_BYTES = 2**18
# A cell takes up to 72 bytes of memory.
_MOST_COMMAS = 300_000


def _check_commas(line: int, n_commas: int) -> None:
    if n_commas > _MOST_COMMAS:
        raise RequestError(
            f"line {line}: the row has more than {_MOST_COMMAS} commas, "
            "send only the columns that are needed"
        )


def _split_lines(block: LineBlock) -> list[Cells] | None:
    """The cells of each line, None if one may not be a row by itself."""
    text = block.text
    if len(text) > BLOCK_BYTES or lone_cr_line(text) is not None:
        return None
    try:
        lines = io.StringIO(text.decode(), newline="")
        rows = list(csv.reader(lines, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(rows) != block.n_lines or any(map(_is_blank, rows)):
        return None
    return rows


def _is_blank(cells: Cells) -> bool:
    return len(cells) < 2 and not "".join(cells).strip(BLANKS)


def _is_empty(stretch: Stretch) -> bool:
    return stretch.start == stretch.end


def _cut_around(body: bytes, header: FirstLine) -> Iterator[LineBlock]:
    """All lines but the header."""
    yield from cut_at_lines(body, header.before)
    yield from cut_at_lines(body, header.behind)


def _names_a_column(line: NumberedLine) -> bool:
    """Whether a line is a header, perhaps one that can't be read."""
    if not line.text.translate(None, b"0123456789,"):
        return False  # which is quicker than to split it
    try:
        return _is_header(_split_line(line).cells)
    except RequestError:
        return _BROKEN_HEADER.search(line.text) is not None


def _is_header(cells: Cells) -> bool:
    return any(cell.strip(BLANKS) in _OUR_COLUMNS for cell in cells)


def _split_line(line: NumberedLine) -> NumberedCells:
    """The cells of a line.

    Raises:
        RequestError: if it is blank, isn't one line for every reader, or isn't CSV.
    """
    check_line(*line)
    if len(line.text) > _MOST_COMMAS:
        check_length(line.number, len(line.text))
        _check_commas(line.number, line.text.count(b","))
    text = decode_utf8(line.text, first_line=line.number)
    try:
        cells = next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise _csv_error(line.number, error) from None
    return NumberedCells(line.number, cells)


def _csv_error(line: int, error: csv.Error) -> RequestError:
    return RequestError(f"line {line}: {csv_fault(error)}")


# Places of columns


def _places_in_header(header: NumberedCells, names: tuple[str, ...]) -> ColumnPlaces:
    cells = [cell.strip(BLANKS) for cell in header.cells]
    places = {name: cells.index(name) for name in names if name in cells}
    *needed, optional = names
    is_complete = all(name in places for name in needed)
    is_repeated = any(cells.count(name) > 1 for name in _OUR_COLUMNS)
    if is_repeated or not is_complete:
        expected = f"{', '.join(needed)} and perhaps {optional}, each once"
        raise _bad_row(header, "the header", expected)
    return ColumnPlaces(places, len(cells))


def _places_by_position(row: NumberedCells, names: tuple[str, ...]) -> ColumnPlaces:
    width = len(row.cells)
    needed = names[:-1]
    if width not in (len(needed), len(names)):
        expected = (
            f"{','.join(needed)} or {','.join(names)}; "
            "other columns need a header that names these"
        )
        raise _bad_row(row, "the row", expected)
    places = {name: place for place, name in enumerate(names[:width])}
    return ColumnPlaces(places, width)


def _bad_row(row: NumberedCells, what: str, expected: str) -> RequestError:
    return RequestError.at(row.line, what, shown(",".join(row.cells)), expected)


# Cells to values


def _convert_columns(rows: list[Cells], places: ColumnPlaces) -> Columns | None:
    """All columns, or None if a row has another width or a value is bad."""
    if any(len(cells) != places.width for cells in rows):
        return None
    columns = {}
    try:
        for name, place in places.by_name.items():
            columns[name] = _CONVERTERS[name]([cells[place] for cells in rows])
    except (ValueError, OverflowError):
        return None
    return columns


def _first_fault(rows: list[NumberedCells], places: ColumnPlaces) -> RequestError:
    """What is wrong with the first bad row.

    There is one, because a column can't be read if one of its values can't.
    """
    for row in rows:
        try:
            _convert_row(row, places)
        except RequestError as error:
            return error
    raise AssertionError("a column can't be read although each of its values can")


def _convert_row(row: NumberedCells, places: ColumnPlaces) -> Values:
    """The values of one row by column.

    Raises:
        RequestError: if the row has another width, or at the first bad value.
    """
    if len(row.cells) != places.width:
        expected = f"{places.width} fields as in the first row"
        raise _bad_row(row, "the row", expected)
    values = {}
    from_left_to_right = sorted(places.by_name.items(), key=lambda item: item[1])
    for name, place in from_left_to_right:
        cell = row.cells[place]
        try:
            values[name] = _CONVERTERS[name]([cell]).item()
        except (ValueError, OverflowError):
            expected = RULES[name].expected
            raise RequestError.at(row.line, name, shown(cell), expected) from None
    return values


# Of short texts of these characters, int() and float() take what the grammar takes.
# Otherwise they take more: underscores, digits of other scripts, "nan", "inf", ".5".
_ID_CHARACTERS = frozenset("0123456789+- \t")
_TIMESTAMP_CHARACTERS = frozenset("0123456789 \t")
_SHORT = 20


def _ids(cells: Sequence[str]) -> NDArray[np.int64]:
    if _are_plain(cells, _ID_CHARACTERS):
        numbers = [int(cell) for cell in cells]
    else:
        numbers = [parse_id(cell) for cell in cells]
    return np.array(numbers, dtype=np.int64)


def _timestamps(cells: Sequence[str]) -> NDArray[np.float64]:
    if _are_plain(cells, _TIMESTAMP_CHARACTERS):
        numbers = [float(cell.strip() or "nan") for cell in cells]
    else:
        numbers = [_seconds(cell) for cell in cells]
    if any(map(_is_out_of_range, numbers)):
        raise ValueError("out of range")
    return np.array(numbers, dtype=np.float64)


def _are_plain(cells: Sequence[str], characters: frozenset[str]) -> bool:
    """Whether all cells are short and have no other characters than these."""
    if max(map(len, cells), default=0) > _SHORT:
        return False
    return characters.issuperset("".join(cells))


def _seconds(cell: str) -> float:
    return parse_time(cell) if cell.strip(BLANKS) else math.nan


def _is_out_of_range(seconds: float) -> bool:
    return seconds < 0 or seconds >= TIMESTAMP_BOUND  # NaN is in range


_CONVERTERS: dict[str, Callable[[Sequence[str]], NDArray[Any]]] = {
    USER_ID: _ids,
    MOVIE_ID: _ids,
    TIMESTAMP: _timestamps,
}


# Rows of a user and a movie


def _pairs(columns: Columns) -> Rows:
    return Rows(RatingQueries(columns[USER_ID], columns[MOVIE_ID], columns[TIMESTAMP]))


def _pair(values: Values) -> Row:
    return Row(values[USER_ID], values[MOVIE_ID], values.get(TIMESTAMP, math.nan))


_PAIR_READER = CsvReader(FIELDS, _pairs, _pair, plain_csv_rows)

_NUMBER = rb"(\d{1,%d})" % MOST_DIGITS
_PLAIN_PAIR = re.compile(rb"%b,%b(?:,%b)?(?:\r?\n)?" % (_NUMBER, _NUMBER, _NUMBER))


def _parse_pairs(body: bytes) -> ParsedRequest:
    """Read rows of a user and a movie."""
    row = _plain_pair(body)
    if row is not None:
        return ParsedRequest.of(row)
    return ParsedRequest(partial(_cut_pairs, body), _read_pairs)


def _parse_batch_of_pairs(body: bytes) -> ParsedRequest:
    """Read rows of a user and a movie, each of which has its answer.

    Raises:
        RequestError: if there are none.
    """
    row = _plain_pair(body)
    return _PAIR_READER.lenient(body) if row is None else ParsedRequest.of(row)


def _plain_pair(body: bytes) -> Rows | None:
    """A single row of digits, None if it is anything else.

    Most requests are such a row. This reads it at once, which saves a third of the time
    that it takes to answer. `_PAIR_READER` reads it alike.
    """
    found = _PLAIN_PAIR.fullmatch(body)
    if found is None:
        return None
    user_id, movie_id, timestamp = found.groups()
    seconds = math.nan if timestamp is None else float(timestamp)
    if _is_out_of_range(seconds):
        return None
    columns = {
        USER_ID: np.array([int(user_id)]),
        MOVIE_ID: np.array([int(movie_id)]),
        TIMESTAMP: np.array([seconds]),
    }
    return _pairs(columns)


def _cut_pairs(body: bytes) -> Iterator[RatingQueries | CellBlock]:
    """Plain rows as they are; from the first block on that has others, cells."""
    first: NumberedCells | None = None
    for block in line_blocks(body):
        plain = plain_csv_rows(block.text)
        if first is None and plain is None:
            yield from cut_rows(body)
            return
        row = NumberedCells(block.first, _plain_cells(block))
        if first is None:
            first = row
        if plain is None or len(row.cells) != len(first.cells):
            yield from cut_rows_behind(body, first, block)
            return
        yield plain
    if first is None:
        raise RequestError(EMPTY)


def _plain_cells(block: LineBlock) -> Cells:
    """The cells of a block's first line, if its rows are plain."""
    line = block.text.partition(b"\n")[0]
    return line.decode("latin-1").split(",")


def _read_pairs(block: RatingQueries | CellBlock) -> Rows:
    if isinstance(block, RatingQueries):
        return Rows(block)
    return _PAIR_READER.read_cells(block)


PAIRS = BodyParser(_parse_pairs, _parse_batch_of_pairs, _PAIR_READER.single)
"""Reads rows of a user and a movie, for example ``1,318`` or ``1,318,964982703``."""


# Rows of a user


def users_parser(wanted: Wanted) -> BodyParser:
    """Reads rows of a user, for example ``1`` or ``1,964982703``.

    Each row is a question for the movies that are wanted.
    """

    def question(user_id: int, timestamp: float) -> Question:
        return Question(user_id, None, timestamp, None, wanted)

    def from_columns(columns: Columns) -> Rows:
        user_ids = columns[USER_ID].tolist()
        timestamps = columns[TIMESTAMP].tolist()
        return Rows.gather(map(question, user_ids, timestamps))

    def from_values(values: Values) -> Question:
        return question(values[USER_ID], values.get(TIMESTAMP, math.nan))

    reader = CsvReader((USER_ID, TIMESTAMP), from_columns, from_values)
    return BodyParser(reader.strict, reader.lenient, reader.single)
