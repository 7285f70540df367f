"""Rating files into checked tables, block by block, so that no more than a block of
text is ever held.

A block is parsed by Arrow's strict CSV reader straight into numbers and checked column
by column. Only where something in it is wrong is it gone through again row by row, to
say where the fault stands or to leave the row out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from movielens.bad_rows import BadRows
from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.files import (
    ChannelFile,
    OpenQuoteError,
    line_blocks,
    open_bytes,
    parquet_file,
    reading,
    require_columns,
    split_rows,
)
from movielens.formats import RATING_COLUMNS, Layout
from movielens.tables import RatingTable

Columns = dict[str, NDArray[Any]]
# Raw movie ids of the catalogue, rising; None where it isn't known yet.
Known = NDArray[np.int32] | None

LARGEST_ID = 2**31 - 1
LARGEST_TIMESTAMP = 2**32 - 1
EXPECTED = {
    USER_ID: f"a whole number from 1 to {LARGEST_ID}",
    MOVIE_ID: f"a whole number from 1 to {LARGEST_ID}",
    RATING: "half stars from 0.5 to 5.0",
    TIMESTAMP: f"whole seconds since 1970, at most {LARGEST_TIMESTAMP} (milliseconds: divide by 1000)",
}
PARQUET_ROWS = 1 << 20
# A row that goes on for longer than this is a quote that was left open.
LONGEST_ROW = 1 << 20
_BOUNDS = {
    USER_ID: (1, LARGEST_ID),
    MOVIE_ID: (1, LARGEST_ID),
    TIMESTAMP: (0, LARGEST_TIMESTAMP),
}
_STARS = frozenset(k / 2 for k in range(1, 11))
# By whether the column takes fractions.
_NUMBER = {
    False: re.compile(r"\s*-?[0-9]+\s*"),
    True: re.compile(r"\s*-?[0-9]+(\.[0-9]*)?\s*"),
}
_UNFINISHED = "unexpected end of data"


def read_rating_file(
    file: ChannelFile, known: NDArray[np.int32], bad_rows: BadRows
) -> RatingTable:
    """The ratings of one file, in its order; raises DataError as
    `movielens.readers.read_dataset`.
    """
    if file.layout is None:
        return _joined(parquet_tables(file, known, bad_rows))
    with reading(file.name), open_bytes(file.path) as stream:
        return _joined(
            text_tables(file.name, file.layout, line_blocks(stream), known, bad_rows)
        )


def text_tables(
    name: str,
    layout: Layout,
    blocks: Iterable[bytes],
    known: Known,
    bad_rows: BadRows,
    line: int = 1,
) -> Iterator[RatingTable]:
    """A table for each block of whole lines.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        blocks: all of its text.
        known: the movies that may be rated.
        bad_rows: what becomes of rows that can't be used.
        line: the number of the first line.

    Raises:
        DataError: a missing column, a quote left open, or the first bad row where none
            may be left out.
    """
    require_columns(name, layout.columns, (USER_ID, MOVIE_ID, RATING))
    carried, skip = b"", layout.skip
    for data, is_last in _with_last(blocks):
        data = carried + data
        if skip:
            lines = data.split(b"\n", skip)
            data, line, skip = lines[-1] if len(lines) > skip else b"", line + skip, 0
        columns, carried = _parsed(layout, data), b""
        if columns is None or _bad(columns, known).any():
            columns, carried = _row_by_row(
                name, layout, data, known, bad_rows, line, is_last
            )
        line += data.count(b"\n", 0, len(data) - len(carried))
        yield _table(columns)


def parquet_tables(
    file: ChannelFile, known: Known, bad_rows: BadRows
) -> Iterator[RatingTable]:
    """A table for each million of rows; arguments and errors as `text_tables`."""
    opened = parquet_file(file.path, file.name)
    present = tuple(opened.schema_arrow.names)
    require_columns(file.name, present, (USER_ID, MOVIE_ID, RATING))
    first = 0
    with reading(file.name):
        for batch in opened.iter_batches(
            PARQUET_ROWS, columns=[name for name in RATING_COLUMNS if name in present]
        ):
            columns = {
                name: _numbers(file.name, name, batch.column(name))
                for name in batch.schema.names
            }
            bad = _bad(columns, known)
            for row in np.flatnonzero(bad).tolist():
                bad_rows.add(
                    _fault(file.name, f"row {first + row + 1}", columns, row, known)
                )
            yield _table({name: values[~bad] for name, values in columns.items()})
            first += batch.num_rows


def unknown_movies(
    name: str, ratings: RatingTable, known: NDArray[np.int32], bad_rows: BadRows
) -> RatingTable:
    """The rows whose movies are known, of a table that was read before the catalogue
    was.
    """
    bad = ~np.isin(ratings.movie_id, known)
    for row in np.flatnonzero(bad).tolist():
        bad_rows.add(
            _fault_at(name, f"rating {row + 1}", MOVIE_ID, str(ratings.movie_id[row]))
        )
    return ratings.take(np.flatnonzero(~bad)) if bad.any() else ratings


def _joined(tables: Iterator[RatingTable]) -> RatingTable:
    found = list(tables)
    return (
        RatingTable.concatenate(found)
        if found
        else _table(dict.fromkeys(RATING_COLUMNS, np.empty(0)))
    )


def _table(columns: Columns) -> RatingTable:
    return RatingTable.of(
        columns[USER_ID], columns[MOVIE_ID], columns[RATING], columns.get(TIMESTAMP)
    )


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    left = iter(blocks)
    block = next(left, None)
    while block is not None:
        after = next(left, None)
        yield block, after is None
        block = after


def _parsed(layout: Layout, data: bytes) -> Columns | None:
    """The columns of a block, or None where it has to be gone through row by row."""
    names = [name for name in RATING_COLUMNS if name in layout.columns]
    if not data.strip():
        return {name: np.empty(0) for name in names}
    n_quotes = data.count(b'"')
    # The reader splits at one character only.
    two = layout.separator == "::"
    source = data.replace(b"::", b"\t") if two else data
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(source),
            pa_csv.ReadOptions(column_names=list(layout.columns)),
            pa_csv.ParseOptions(
                delimiter="\t" if two else layout.separator,
                newlines_in_values=n_quotes > 0,
            ),
            pa_csv.ConvertOptions(
                check_utf8=False,
                include_columns=names,
                column_types={
                    name: pa.float64() if name == RATING else pa.int64()
                    for name in names
                },
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        return None
    # Arrow takes a quote that was left open as text to the end of the block, and loses
    # the rows in it.
    if n_quotes % 2 or (
        n_quotes
        and table.num_rows != sum(1 for line in data.splitlines() if line.strip())
    ):
        return None
    return {name: table.column(name).to_numpy() for name in names}


def _row_by_row(
    name: str,
    layout: Layout,
    data: bytes,
    known: Known,
    bad_rows: BadRows,
    line: int,
    is_last: bool,
) -> tuple[Columns, bytes]:
    """The columns of a block's good rows, and the beginning of a row that goes on in
    the next block.
    """
    names = [column for column in RATING_COLUMNS if column in layout.columns]
    places = [layout.columns.index(column) for column in names]
    movies = None if known is None else set(known.tolist())
    text = io.StringIO(
        data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"), newline=""
    )
    values, carried = [], b""
    try:
        for at, fields in split_rows(name, layout.separator, text, line):
            fault = _row_fault(name, layout, fields, movies, at)
            if fault is None:
                values.append([float(fields[place]) for place in places])
            else:
                bad_rows.add(fault)
    except OpenQuoteError as error:
        carried = data.split(b"\n", error.line - line)[-1]
        if is_last or _UNFINISHED not in str(error) or len(carried) > LONGEST_ROW:
            raise
    table = np.array(values).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True)), carried


def _row_fault(
    name: str, layout: Layout, fields: list[str], movies: set[int] | None, line: int
) -> DataError | None:
    place = f"line {line}"
    if len(fields) != len(layout.columns):
        expected = f"expected {len(layout.columns)} ({','.join(layout.columns)})"
        return DataError(f"{name} {place}: {len(fields)} fields, {expected}")
    for column, text in zip(layout.columns, fields, strict=True):
        if column in EXPECTED and not is_usable_text(column, text):
            return _fault_at(name, place, column, text)
    movie_id = fields[layout.columns.index(MOVIE_ID)]
    if movies is not None and int(movie_id) not in movies:
        return _fault_at(name, place, MOVIE_ID, movie_id)
    return None


def _numbers(name: str, column: str, values: Any) -> NDArray[Any]:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise DataError(
            f"{name}: {column} holds {values.type}, expected numbers: write it with another type"
        )
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers


def _bad(columns: Columns, known: Known) -> NDArray[np.bool_]:
    """Whether each row has a value that can't be used, bool (n_rows,)."""
    bad = np.zeros(len(columns[USER_ID]), dtype=np.bool_)
    for name, values in columns.items():
        bad |= ~_is_usable(name, values, known)
    return bad


def _fault(
    name: str, place: str, columns: Columns, row: int, known: Known
) -> DataError:
    one = {column: values[row : row + 1] for column, values in columns.items()}
    column = next(
        column
        for column, value in one.items()
        if not _is_usable(column, value, known)[0]
    )
    return _fault_at(name, place, column, str(columns[column][row]))


def _is_usable(name: str, values: NDArray[Any], known: Known) -> NDArray[np.bool_]:
    if name == RATING:
        twice = 2 * values
        return np.asarray(
            (twice >= 1) & (twice <= 10) & (twice == np.floor(twice)), dtype=np.bool_
        )
    low, high = _BOUNDS[name]
    usable = (values >= low) & (values <= high) & (values == np.floor(values))
    return np.asarray(
        usable & np.isin(values, known)
        if name == MOVIE_ID and known is not None
        else usable,
        np.bool_,
    )


def is_usable_text(name: str, text: str) -> bool:
    """Whether a field's text is a value that the column takes."""
    if not _NUMBER[name == RATING].fullmatch(text):
        return False
    # One field at a time: as an array of one, each would take ten times as long.
    value = float(text)
    if name == RATING:
        return value in _STARS
    low, high = _BOUNDS[name]
    return low <= value <= high


def _fault_at(name: str, place: str, column: str, value: str) -> DataError:
    if column == MOVIE_ID and is_usable_text(MOVIE_ID, value):
        expected = "a movie that the movies file lists: add it there, or drop the row"
    else:
        expected = EXPECTED[column]
    return DataError.at(name, place, column, value, expected)
