"""Reads rating files into checked tables, block by block.

No more than a block of text is held at a time:

1. A block of whole lines is read at once, straight into numbers
   (`movielens.rating_blocks`).
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
from numpy.typing import NDArray

from movielens.bad_rows import BadRows
from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.field_checks import (
    EXPECTED,
    Columns,
    KnownMovies,
    UnknownMovieError,
    counted,
    field_value,
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
    count_lines,
    line_blocks,
    open_bytes,
    parquet_file,
    reading,
    require_columns,
    split_rows,
    too_long_text,
    without_lone_cr,
)
from movielens.formats import RATING_COLUMNS, FileLayout
from movielens.rating_blocks import read_columns
from movielens.tables import RatingTable

_NEEDED_COLUMNS = (USER_ID, MOVIE_ID, RATING)
_UTF_8_MARK = b"\xef\xbb\xbf"
_TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


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
        tables: list[RatingTable] = []
        n_rows = 0
        try:
            for table in self._tables(file):
                tables.append(table)
                n_rows += len(table)
                _require_few_rows(file.name, n_rows, self.limits.rating_rows)
        except UnknownMovieError as error:
            n_unknown = self._count_unknown(file)
            if n_unknown is None:
                raise
            raise counted(error, file.name, n_unknown) from error
        return RatingTable.concatenate(tables) if tables else _empty_table()

    def _tables(self, file: ChannelFile) -> Iterator[RatingTable]:
        if file.layout is None:
            yield from self._parquet_tables(file)
            return
        with reading(file.name), open_bytes(file.path) as stream:
            blocks = line_blocks(stream, file.name, self.limits)
            yield from self.text_tables(file.name, file.layout, blocks)

    def _count_unknown(self, file: ChannelFile) -> int | None:
        """How many good rows of a file rate movies that aren't known.

        The file is read again. None if it can't be read to its end.
        """
        if self.known is None:
            return 0
        anything_bad = BadRows(most=1.0, most_logged=0)
        reader = RatingReader(None, anything_bad, self.limits)
        n_unknown = 0
        try:
            for table in reader._tables(file):
                is_known = np.isin(table.movie_id, self.known)
                n_unknown += int(np.count_nonzero(~is_known))
        except DataError:
            return None
        return n_unknown

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

        for block in without_lone_cr(name, blocks, first_line):
            data = unfinished_row + block
            if line == first_line:
                data = data.removeprefix(_UTF_8_MARK)
            if lines_to_skip:
                skipped = min(lines_to_skip, data.count(b"\n"))
                data = data.split(b"\n", skipped)[-1]
                line += skipped
                lines_to_skip -= skipped
            if lines_to_skip:
                # The file ends within its header, or the header goes on.
                data = b""

            text = _Text(name, layout, data, line, is_last=False)
            columns, unfinished_row = self._columns(text)
            yield _table_of(columns)
            line += count_lines(data) - count_lines(unfinished_row)

        if unfinished_row:
            text = _Text(name, layout, unfinished_row, line, is_last=True)
            columns, _ = self._columns(text)
            yield _table_of(columns)

    def _columns(self, text: _Text) -> tuple[Columns, bytes]:
        """The columns of the good rows, and the unfinished row at the end, if any."""
        columns = read_columns(text.layout, text.data)
        if columns is None or not usable_rows(columns, self.known).all():
            return self._good_rows(text)
        return columns, b""

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
        n_unknown = int(np.count_nonzero(~is_known))
        for row in np.flatnonzero(~is_known).tolist():
            movie_id = str(ratings.movie_id[row])
            place = f"rating {row + 1}"
            error = value_error(name, place, MOVIE_ID, movie_id)
            self.bad_rows.add(counted(error, name, n_unknown))
        return ratings if is_known.all() else ratings.take(np.flatnonzero(is_known))

    def _parquet_tables(self, file: ChannelFile) -> Iterator[RatingTable]:
        opened = parquet_file(file.path, file.name)
        present = tuple(opened.schema_arrow.names)
        require_columns(file.name, present, _NEEDED_COLUMNS)

        wanted = [column for column in RATING_COLUMNS if column in present]
        for column in wanted:
            kind = opened.schema_arrow.field(column).type
            _require_numbers(file.name, column, kind)
        _require_few_rows(file.name, opened.metadata.num_rows, self.limits.rating_rows)

        n_rows_before = 0
        with reading(file.name):
            for batch in opened.iter_batches(self.limits.parquet_rows, columns=wanted):
                columns = {
                    column: _numbers(batch.column(column))
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
            for line, fields in text.rows(self.limits.row_bytes):
                error = _field_error(text, fields, known, line)
                if error is None:
                    good.append(
                        [field_value(columns[at], fields[at]) for at in positions]
                    )
                else:
                    self.bad_rows.add(error)
        except OpenQuoteError as error:
            if text.is_last or not error.at_end:
                raise
            unfinished_row = text.data.split(b"\n", error.line - text.line)[-1]
            most = self.limits.row_bytes
            if len(unfinished_row) > most:
                reason = too_long_text(most)
                raise OpenQuoteError.at_line(
                    text.name, error.line, reason, at_end=False
                ) from error

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

    def rows(self, row_bytes: int) -> Iterator[tuple[int, list[str]]]:
        """The fields of each row, with the line on which it begins."""
        lines = io.StringIO(self.data.decode(errors="replace"), newline="")
        return split_rows(self.name, self.layout, lines, self.line, row_bytes)


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
    if known is not None and field_value(MOVIE_ID, movie_id) not in known:
        return value_error(text.name, place, MOVIE_ID, movie_id)
    return None


def _require_few_rows(name: str, n_rows: int, most: int) -> None:
    if n_rows > most:
        raise DataError(
            f"{name} holds {n_rows} rows or more, "
            f"the limit for a file is {most}: split it"
        )


def _require_numbers(name: str, column: str, kind: pa.DataType) -> None:
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_moment = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if is_number or (is_moment and column == TIMESTAMP):
        return
    raise DataError(
        f"{name}: {column} holds {kind}, expected numbers: write it with another type"
    )


def _numbers(values: pa.Array) -> NDArray[Any]:
    """A Parquet column's values as numbers; times become seconds since 1970."""
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(values.type):
        ticks = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return np.asarray(ticks / _TICKS_PER_SECOND[values.type.unit])
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers
