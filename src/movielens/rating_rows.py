"""Reads rating files into checked tables, block by block.

No more than a block of text is held at a time:

1. Arrow's strict CSV reader parses a block of whole lines straight into numbers.
2. The numbers are checked, a column at a time.
3. Only if something in the block is wrong, it is read again row by row, to locate the
   bad row or to drop it.

Parquet files are read in batches of rows, which are checked in the same way.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from movielens.bad_rows import BadRows
from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.field_checks import (
    EXPECTED,
    Columns,
    KnownMovies,
    is_usable_text,
    row_error,
    usable_rows,
    value_error,
)
from movielens.files import (
    READ_LIMITS,
    ChannelFile,
    OpenQuoteError,
    ReadLimits,
    line_blocks,
    open_bytes,
    parquet_file,
    reading,
    require_columns,
    split_rows,
)
from movielens.formats import RATING_COLUMNS, FileLayout
from movielens.tables import RatingTable

_NEEDED_COLUMNS = (USER_ID, MOVIE_ID, RATING)
_UTF_8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class RatingReader:
    """Reads ratings from files and from blocks of text.

    Attributes:
        known: raw ids of the movies that may be rated, int32, rising; None to allow
            any, while the catalogue isn't known yet.
        bad_rows: what happens to rows that can't be used.
        limits: how much is held at a time.
    """

    known: KnownMovies
    bad_rows: BadRows
    limits: ReadLimits = READ_LIMITS

    def read_file(self, file: ChannelFile) -> RatingTable:
        """The ratings of one file, in its order.

        Raises:
            DataError: see `text_tables`; a broken file.
        """
        if file.layout is None:
            tables = list(self._parquet_tables(file))
        else:
            with reading(file.name), open_bytes(file.path) as stream:
                blocks = line_blocks(stream, self.limits.block_bytes)
                tables = list(self.text_tables(file.name, file.layout, blocks))
        return RatingTable.concatenate(tables) if tables else _empty_table()

    def text_tables(
        self,
        name: str,
        layout: FileLayout,
        blocks: Iterable[bytes],
        first_line: int = 1,
    ) -> Iterator[RatingTable]:
        """One table for each block of text.

        Args:
            name: of the file, for messages.
            layout: how to read it.
            blocks: all of its text, in blocks of whole lines.
            first_line: the number of the first line, for messages.

        Raises:
            DataError: a missing column, a quote that doesn't close, or a bad row if
                none may be dropped.
        """
        require_columns(name, layout.columns, _NEEDED_COLUMNS)
        line = first_line
        lines_to_skip = layout.skip
        unfinished_row = b""

        for block, is_last in _with_last(blocks):
            data = unfinished_row + block
            unfinished_row = b""

            if lines_to_skip:
                lines = data.split(b"\n", lines_to_skip)
                data = lines[-1] if len(lines) > lines_to_skip else b""
                line += lines_to_skip
                lines_to_skip = 0

            columns = _parse(layout, data)
            if columns is None or not usable_rows(columns, self.known).all():
                text = _Text(name, layout, data, line, is_last)
                columns, unfinished_row = self._good_rows(text)

            yield _table_of(columns)
            line += data.count(b"\n", 0, len(data) - len(unfinished_row))

    def drop_unknown_movies(self, name: str, ratings: RatingTable) -> RatingTable:
        """The ratings of known movies, from a table that was read before the catalogue.

        Args:
            name: of the table, for messages.
            ratings: read by a reader whose ``known`` was None.

        Raises:
            DataError: a movie isn't known, and no row may be dropped.
        """
        if self.known is None:
            return ratings
        is_known = np.isin(ratings.movie_id, self.known)
        for row in np.flatnonzero(~is_known).tolist():
            movie_id = str(ratings.movie_id[row])
            place = f"rating {row + 1}"
            self.bad_rows.add(value_error(name, place, MOVIE_ID, movie_id))
        return ratings if is_known.all() else ratings.take(np.flatnonzero(is_known))

    def _parquet_tables(self, file: ChannelFile) -> Iterator[RatingTable]:
        opened = parquet_file(file.path, file.name)
        present = tuple(opened.schema_arrow.names)
        require_columns(file.name, present, _NEEDED_COLUMNS)

        wanted = [column for column in RATING_COLUMNS if column in present]
        n_rows_before = 0
        with reading(file.name):
            for batch in opened.iter_batches(self.limits.parquet_rows, columns=wanted):
                columns = {
                    column: _numbers(file.name, column, batch.column(column))
                    for column in batch.schema.names
                }
                usable = usable_rows(columns, self.known)
                for row in np.flatnonzero(~usable).tolist():
                    place = f"row {n_rows_before + row + 1}"
                    error = row_error(file.name, place, columns, row, self.known)
                    self.bad_rows.add(error)

                yield _table_of(
                    {column: values[usable] for column, values in columns.items()}
                )
                n_rows_before += batch.num_rows

    def _good_rows(self, text: _Text) -> tuple[Columns, bytes]:
        """The columns of the good rows, and the unfinished row at the end, if any.

        A row is unfinished if it goes on in the next block, because it has a line end
        within quotes.
        """
        columns = text.layout.columns
        wanted = [column for column in RATING_COLUMNS if column in columns]
        positions = [columns.index(column) for column in wanted]
        known = None if self.known is None else set(self.known.tolist())

        good: list[list[float]] = []
        unfinished_row = b""
        try:
            for line, fields in text.rows():
                error = _field_error(text, fields, known, line)
                if error is None:
                    good.append([float(fields[position]) for position in positions])
                else:
                    self.bad_rows.add(error)
        except OpenQuoteError as error:
            unfinished_row = text.data.split(b"\n", error.line - text.line)[-1]
            may_go_on = error.at_end and not text.is_last
            if not may_go_on or len(unfinished_row) > self.limits.row_bytes:
                raise

        values = np.array(good).reshape(-1, len(wanted))
        return dict(zip(wanted, values.T, strict=True)), unfinished_row


@dataclass(frozen=True, slots=True)
class _Text:
    """A block of text that is read row by row.

    Attributes:
        name: of the file, for messages.
        layout: how to read it.
        data: the block.
        line: the number of its first line.
        is_last: whether the file ends with it.
    """

    name: str
    layout: FileLayout
    data: bytes
    line: int
    is_last: bool

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The fields of each row, with the line on which it begins."""
        text = self.data.removeprefix(_UTF_8_MARK).decode(errors="replace")
        lines = io.StringIO(text, newline="")
        return split_rows(self.name, self.layout.separator, lines, self.line)


def _table_of(columns: Columns) -> RatingTable:
    return RatingTable.of(
        user_id=columns[USER_ID],
        movie_id=columns[MOVIE_ID],
        rating=columns[RATING],
        timestamp=columns.get(TIMESTAMP),
    )


def _empty_table() -> RatingTable:
    nothing = np.empty(0)
    return RatingTable.of(nothing, nothing, nothing, nothing)


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last one."""
    remaining = iter(blocks)
    block = next(remaining, None)
    while block is not None:
        following = next(remaining, None)
        yield block, following is None
        block = following


def _parse(layout: FileLayout, data: bytes) -> Columns | None:
    """The columns of a block, or None if it must be read row by row."""
    wanted = [column for column in RATING_COLUMNS if column in layout.columns]
    if not data.strip():
        return {column: np.empty(0) for column in wanted}

    n_quotes = data.count(b'"')
    separator, source = layout.separator, data
    if separator == "::":
        # Arrow takes a single character only.
        separator = "\t"
        source = data.replace(b"::", b"\t")

    read_options = pa_csv.ReadOptions(column_names=list(layout.columns))
    parse_options = pa_csv.ParseOptions(
        delimiter=separator, newlines_in_values=n_quotes > 0
    )
    types = {column: pa.int64() for column in wanted} | {RATING: pa.float64()}
    convert_options = pa_csv.ConvertOptions(
        check_utf8=False, include_columns=wanted, column_types=types, null_values=[]
    )
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(_arrow_owned(source)),
            read_options,
            parse_options,
            convert_options,
        )
    except pa.ArrowInvalid:
        return None

    # Arrow takes everything after an open quote for text, and so loses rows.
    if n_quotes % 2:
        return None
    if n_quotes and table.num_rows != _count_filled_lines(data):
        return None
    return {column: table.column(column).to_numpy() for column in wanted}


def _arrow_owned(data: bytes) -> pa.Buffer:
    """The same bytes in memory of Arrow's own.

    A thread of Arrow may free what was read a moment after the reader has returned. For
    Python's own memory it would need the interpreter, and if that is just ending, as
    after a bad row, the process would abort.
    """
    buffer = pa.allocate_buffer(len(data))
    np.frombuffer(buffer, dtype=np.uint8)[:] = np.frombuffer(data, dtype=np.uint8)
    return buffer


def _count_filled_lines(data: bytes) -> int:
    return sum(1 for line in data.splitlines() if line.strip())


def _field_error(
    text: _Text, fields: list[str], known: set[int] | None, line: int
) -> DataError | None:
    """What is wrong with the fields of a row, or None if they can be used."""
    columns = text.layout.columns
    place = f"line {line}"
    if len(fields) != len(columns):
        return DataError(
            f"{text.name} {place}: {len(fields)} fields, "
            f"expected {len(columns)} ({','.join(columns)})"
        )

    for column, field in zip(columns, fields, strict=True):
        if column in EXPECTED and not is_usable_text(column, field):
            return value_error(text.name, place, column, field)

    movie_id = fields[columns.index(MOVIE_ID)]
    if known is not None and int(movie_id) not in known:
        return value_error(text.name, place, MOVIE_ID, movie_id)
    return None


def _numbers(name: str, column: str, values: Any) -> NDArray[Any]:
    """A Parquet column's values as numbers; times become seconds since 1970."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise DataError(
            f"{name}: {column} holds {values.type}, expected numbers: "
            "write it with another type"
        )
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers
