"""Rating files into a checked table.

Text is parsed by Arrow's strict CSV reader straight into numbers and checked column by column. Only when something is
wrong is the file read a second time, line by line, to find the first fault and say where it stands.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.files import ChannelFile, open_bytes, parquet_file, reading, require_columns, text_rows
from movielens.formats import Layout
from movielens.tables import MovieTable, RatingTable

LARGEST_ID = 2**31 - 1
LARGEST_TIMESTAMP = 2**32 - 1
EXPECTED = {
    USER_ID: f"a whole number from 1 to {LARGEST_ID}",
    MOVIE_ID: f"a whole number from 1 to {LARGEST_ID}",
    RATING: "half stars from 0.5 to 5.0",
    TIMESTAMP: f"whole seconds since 1970, at most {LARGEST_TIMESTAMP} (milliseconds: divide by 1000)",
}
_BOUNDS = {USER_ID: (1, LARGEST_ID), MOVIE_ID: (1, LARGEST_ID), TIMESTAMP: (0, LARGEST_TIMESTAMP)}
_STARS = frozenset(k / 2 for k in range(1, 11))
# By whether the column takes fractions.
_NUMBER = {False: re.compile(r"\s*-?[0-9]+\s*"), True: re.compile(r"\s*-?[0-9]+(\.[0-9]*)?\s*")}


def read_rating_files(files: list[ChannelFile], movies: MovieTable) -> tuple[RatingTable, dict[str, int]]:
    """The ratings of all files in turn, and counts of rows left out by reason; raises DataError as `read_dataset`."""
    tables = [_read_rating_file(file, movies) for file in files]
    timed = {table.timestamp is not None for table in tables}
    if len(timed) > 1:
        bare = next(file.name for file, table in zip(files, tables, strict=True) if table.timestamp is None)
        raise DataError(f"{bare} has no timestamp column, other files have one: add it, or leave it out of all")
    ratings, duplicates = drop_duplicates(_concatenate(tables))
    if not len(ratings):
        raise DataError(f"{', '.join(file.name for file in files)} has no rows: at least one rating is needed")
    return ratings, {"duplicate": duplicates}


def _concatenate(tables: list[RatingTable]) -> RatingTable:
    timestamps = [table.timestamp for table in tables if table.timestamp is not None]
    return RatingTable(
        np.concatenate([table.user_id for table in tables]),
        np.concatenate([table.movie_id for table in tables]),
        np.concatenate([table.rating for table in tables]),
        np.concatenate(timestamps) if timestamps else None,
    )


def _read_rating_file(file: ChannelFile, movies: MovieTable) -> RatingTable:
    columns = _parquet_ratings(file) if file.layout is None else _text_ratings(file, file.layout, movies)
    fault = _first_fault(columns, movies)
    if fault:
        row, column = fault
        if file.layout is not None:
            _locate(file, file.layout, movies, row)
        raise _fault_at(file.name, f"row {row + 1}", column, str(columns[column][row]))
    timestamp = columns.get(TIMESTAMP)
    return RatingTable(
        columns[USER_ID].astype(np.int32),
        columns[MOVIE_ID].astype(np.int32),
        columns[RATING].astype(np.float32),
        None if timestamp is None else timestamp.astype(np.uint32),
    )


def _text_ratings(file: ChannelFile, layout: Layout, movies: MovieTable) -> dict[str, NDArray[Any]]:
    require_columns(file.name, layout.columns, (USER_ID, MOVIE_ID, RATING))
    names = [name for name in (USER_ID, MOVIE_ID, RATING, TIMESTAMP) if name in layout.columns]
    if not _quotes_pair_up(file):
        _locate(file, layout, movies)
    with reading(file.name), open_bytes(file.path) as opened:
        # The reader splits at one character only.
        source = io.BytesIO(opened.read().replace(b"::", b"\t")) if layout.separator == "::" else opened
        try:
            table = pa_csv.read_csv(
                source,
                pa_csv.ReadOptions(column_names=list(layout.columns), skip_rows=layout.skip),
                # Without newlines_in_values, an open quote silently loses the rows up to the end of a block.
                pa_csv.ParseOptions(
                    delimiter="\t" if layout.separator == "::" else layout.separator, newlines_in_values=True
                ),
                pa_csv.ConvertOptions(
                    check_utf8=False,
                    include_columns=names,
                    column_types={name: pa.float64() if name == RATING else pa.int64() for name in names},
                    null_values=[],
                ),
            )
        except pa.ArrowInvalid as error:
            if layout.skip and str(error).startswith(("Empty CSV file", "Could not skip initial")):
                return {name: np.empty(0) for name in names}
            _locate(file, layout, movies)
            raise DataError(f"{file.name} can't be read as {layout.role}: {error}") from error
    return {name: table.column(name).to_numpy() for name in names}


def _quotes_pair_up(file: ChannelFile) -> bool:
    # Arrow takes a quote that opens in the last field, if nobody reads that column, as text to the end of the file.
    with reading(file.name), open_bytes(file.path) as opened:
        return sum(block.count(b'"') for block in iter(partial(opened.read, 1 << 20), b"")) % 2 == 0


def _parquet_ratings(file: ChannelFile) -> dict[str, NDArray[Any]]:
    present = parquet_file(file.path, file.name).schema_arrow.names
    require_columns(file.name, tuple(present), (USER_ID, MOVIE_ID, RATING))
    names = [name for name in (USER_ID, MOVIE_ID, RATING, TIMESTAMP) if name in present]
    with reading(file.name):
        table = pq.read_table(file.path, columns=names)
    columns = {}
    for name in names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise DataError(f"{file.name}: {name} holds {column.type}, expected numbers: write it with another type")
        columns[name] = column.to_numpy()
    return columns


def drop_duplicates(ratings: RatingTable) -> tuple[RatingTable, int]:
    """Keep the last rating of each user and movie, by timestamp and then by place, and count the others.

    The rows kept stay in file order.
    """
    key = ratings.user_id.astype(np.int64) << 32 | ratings.movie_id
    if len(np.unique(key)) == len(key):
        return ratings, 0
    order = np.lexsort((key,) if ratings.timestamp is None else (ratings.timestamp, key))
    is_last = np.append(np.diff(key[order]) != 0, True)
    kept = np.sort(order[is_last])
    return ratings.take(kept), len(ratings) - len(kept)


def _first_fault(columns: Mapping[str, NDArray[Any]], movies: MovieTable) -> tuple[int, str] | None:
    """The first row with a value that can't be used, and the column of it; None where all is well."""
    faults = []
    for name, values in columns.items():
        bad = ~_is_usable(name, values)
        if name == MOVIE_ID:
            bad |= ~np.isin(values, movies.movie_id)
        if bad.any():
            faults.append((int(bad.argmax()), name))
    return min(faults, key=lambda fault: fault[0]) if faults else None


def _is_usable(name: str, values: NDArray[Any]) -> NDArray[np.bool_]:
    if name == RATING:
        usable: NDArray[np.bool_] = np.isin(values, sorted(_STARS))
        return usable
    low, high = _BOUNDS[name]
    return np.asarray((values >= low) & (values <= high) & (values == np.floor(values)), dtype=np.bool_)


def _locate(file: ChannelFile, layout: Layout, movies: MovieTable, first: int = 0) -> None:
    """Read line by line and raise the first fault with its line; returns where a line-by-line reading finds none.

    Rows before ``first`` are known to be sound.
    """
    known = set(movies.movie_id.tolist())
    for line, fields in islice(text_rows(file, layout), first, None):
        if len(fields) != len(layout.columns):
            raise DataError(
                f"{file.name} line {line}: {len(fields)} fields, "
                f"expected {len(layout.columns)} ({','.join(layout.columns)})"
            )
        for name, text in zip(layout.columns, fields, strict=True):
            if name in EXPECTED and not is_usable_text(name, text):
                raise _fault_at(file.name, f"line {line}", name, text)
        movie_id = fields[layout.columns.index(MOVIE_ID)]
        if int(movie_id) not in known:
            raise _fault_at(file.name, f"line {line}", MOVIE_ID, movie_id)


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
