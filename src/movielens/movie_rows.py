"""Reads movie files and makes the catalogue of their rows.

There are few movies, and their titles are quoted, so they are read row by row. All are
held in memory, so `ReadLimits` says how many there may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from movielens.columns import (
    GENRES_COLUMN,
    ML_100K_GENRES,
    MOVIE_ID,
    NO_GENRE,
    OLD_GENRE_NAMES,
    TITLE,
)
from movielens.errors import DataError
from movielens.field_checks import EXPECTED, is_usable_text
from movielens.files import (
    READ_LIMITS,
    ChannelFile,
    ReadLimits,
    line_blocks,
    open_bytes,
    parquet_file,
    reading,
    require_columns,
    text_rows,
    without_lone_cr,
)
from movielens.formats import MOVIE_COLUMNS, FileLayout
from movielens.grammar import parse_id
from movielens.tables import MovieTable

# One year or a span of years, in round brackets.
# So many movies of a Parquet file are read at a time.
_BATCH_ROWS = 1024

_YEAR = re.compile(r"\((\d{4})(?:[-\u2013]\d{0,4})?\)")


@dataclass(frozen=True, slots=True)
class Movie:
    """One row of a movies file.

    Attributes:
        where: file and line, for messages.
        movie_id: raw MovieLens id.
        title: as in `MovieTable`.
        genres: as in `MovieTable`.
    """

    where: str
    movie_id: int
    title: str
    genres: tuple[str, ...]


def read_movie_file(file: ChannelFile, limits: ReadLimits = READ_LIMITS) -> list[Movie]:
    """The movies of one file, in its order.

    Raises:
        DataError: a missing column, a value that can't be used, or too much of them.
    """
    if file.layout is None:
        return list(_parquet_movies(file, limits))
    with reading(file.name), open_bytes(file.path) as stream:
        blocks = line_blocks(stream, file.name, limits)
        return movies_of_text(file.name, file.layout, blocks, limits)


def movies_of_text(
    name: str,
    layout: FileLayout,
    blocks: Iterable[bytes],
    limits: ReadLimits = READ_LIMITS,
) -> list[Movie]:
    """The movies of a file's whole text, in its order; see `read_movie_file`.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        blocks: the text, in blocks of whole lines.
        limits: how much of it there may be.
    """
    data = _joined(name, without_lone_cr(name, blocks), limits.movie_bytes)
    columns = layout.columns
    has_genre_flags = set(ML_100K_GENRES) <= set(columns)
    needed = (MOVIE_ID, TITLE) if has_genre_flags else MOVIE_COLUMNS
    require_columns(name, columns, needed)

    movies = []
    for line, fields in text_rows(name, layout, data, limits.row_bytes):
        if len(fields) != len(columns):
            raise DataError(
                f"{name} line {line}: {len(fields)} fields, expected {len(columns)}; "
                "quote titles that have a comma"
            )
        row = dict(zip(columns, fields, strict=True))
        if has_genre_flags:
            genres = [genre for genre in ML_100K_GENRES if row[genre] == "1"]
        else:
            genres = row[GENRES_COLUMN].split("|")
        movies.append(_movie(name, f"line {line}", row[MOVIE_ID], row[TITLE], genres))
    return movies


def _joined(name: str, blocks: Iterable[bytes], most: int) -> bytes:
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > most:
            raise _too_large(name, most)
    return bytes(data)


def _too_large(name: str, most: int) -> DataError:
    return DataError(
        f"{name} holds more than {most} bytes of text, the limit for movies: "
        "keep the columns and rows that are needed"
    )


def catalogue(movies: Iterable[Movie]) -> MovieTable:
    """The table of some movies, by id.

    Raises:
        DataError: two rows have the same id, but not the same title and genres.
    """
    by_id: dict[int, Movie] = {}
    for movie in movies:
        first = by_id.setdefault(movie.movie_id, movie)
        if (first.title, first.genres) != (movie.title, movie.genres):
            raise DataError(
                f"{movie.where}: {MOVIE_ID} {movie.movie_id} is there twice, "
                "with another title or other genres: keep one"
            )

    ordered = [by_id[movie_id] for movie_id in sorted(by_id)]
    years = [year_of(movie.title) for movie in ordered]
    return MovieTable(
        movie_id=np.array([movie.movie_id for movie in ordered], dtype=np.int32),
        title=tuple(movie.title for movie in ordered),
        genres=tuple(movie.genres for movie in ordered),
        year=np.array(years, dtype=np.int16),
    )


def year_of(title: str) -> int:
    """The last year in a title, or the first year of a span; 0 if there is none.

    Example:
        >>> year_of("Toy Story (1995)"), year_of("Fawlty Towers (1975-1979)")
        (1995, 1975)
    """
    years = _YEAR.findall(title)
    return int(years[-1]) if years else 0


def _movie(
    name: str, place: str, movie_id: str, title: str, genres: Iterable[str]
) -> Movie:
    """One movie, checked, with title and genres as `MovieTable` has them."""
    if not is_usable_text(MOVIE_ID, movie_id):
        raise DataError.at(name, place, MOVIE_ID, movie_id, EXPECTED[MOVIE_ID])

    single_spaced = (_single_spaced(genre) for genre in genres)
    renamed = (OLD_GENRE_NAMES.get(genre, genre) for genre in single_spaced)
    return Movie(
        where=f"{name} {place}",
        movie_id=parse_id(movie_id),
        title=_single_spaced(title),
        genres=tuple(genre for genre in renamed if genre not in NO_GENRE),
    )


def _single_spaced(text: str) -> str:
    return " ".join(text.split())


def _parquet_movies(file: ChannelFile, limits: ReadLimits) -> Iterator[Movie]:
    opened = parquet_file(file.path, file.name)
    present = tuple(opened.schema_arrow.names)
    require_columns(file.name, present, MOVIE_COLUMNS)
    metadata = opened.metadata
    _require_few_values(file.name, metadata.num_rows, limits.movie_values)
    with reading(file.name):
        _require_few_bytes(file.name, metadata, limits.movie_bytes)
        texts = _text_columns(opened.schema)

    for number, row in enumerate(_parquet_rows(file, texts, limits), start=1):
        place = f"row {number}"
        title = row[TITLE]
        if not isinstance(title, str | None):
            raise DataError(f"{file.name} {place}: {TITLE} is {title!r}, expected text")
        genres = _parquet_genres(file.name, place, row[GENRES_COLUMN])
        yield _movie(file.name, place, str(row[MOVIE_ID]), title or "", genres)


def _require_few_bytes(name: str, metadata: pq.FileMetaData, most: int) -> None:
    """Check how much a file holds, according to itself.

    The size of all columns says enough about most files. pyarrow ends the process if
    it is asked for the size of a single column that is damaged, so it is asked only
    where other columns may be large.
    """
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) <= most:
        return
    n_bytes = 0
    for group in groups:
        for column in map(group.column, range(group.num_columns)):
            if _is_of_movies(column.path_in_schema):
                n_bytes += column.total_uncompressed_size
    if n_bytes > most:
        raise _too_large(name, most)


def _is_of_movies(path: str) -> bool:
    return path.partition(".")[0] in MOVIE_COLUMNS


def _text_columns(schema: pq.ParquetSchema) -> list[str]:
    """The paths of the columns of movies that hold text."""
    columns = [schema.column(place) for place in range(len(schema))]
    return [
        column.path
        for column in columns
        if column.physical_type == "BYTE_ARRAY" and _is_of_movies(column.path)
    ]


def _parquet_rows(
    file: ChannelFile, texts: list[str], limits: ReadLimits
) -> Iterator[dict[str, object]]:
    """The rows of a file, whose texts stay packed until their size is known."""
    n_bytes = 0
    n_listed = 0
    with reading(file.name):
        try:
            opened = pq.ParquetFile(file.path, read_dictionary=texts)
        except KeyError as error:
            raise DataError(
                f"{file.name} can't be read as Parquet (column {error} isn't in its "
                "schema): write it again"
            ) from error
        for batch in opened.iter_batches(_BATCH_ROWS, columns=list(MOVIE_COLUMNS)):
            n_listed += max(map(_n_listed, batch.columns))
            _require_few_values(file.name, n_listed, limits.movie_values)
            n_bytes += sum(map(_text_bytes, batch.columns))
            if n_bytes > limits.movie_bytes:
                raise _too_large(file.name, limits.movie_bytes)
            yield from batch.to_pylist()


def _require_few_values(name: str, n_values: int, most: int) -> None:
    if n_values > most:
        raise DataError(
            f"{name} holds {n_values} values in a column, "
            f"the limit for movies is {most}: keep each movie once"
        )


def _is_list(column: pa.Array) -> bool:
    kind = column.type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _n_listed(column: pa.Array) -> int:
    """How many values a column has in its lists; 0 if they aren't lists."""
    return len(column.flatten()) if _is_list(column) else 0


def _text_bytes(column: pa.Array) -> int:
    """How many bytes a column's texts take, each counted as often as it is there."""
    if _is_list(column):
        column = column.flatten()
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    sizes = pc.binary_length(column.dictionary).take(column.indices)
    return pc.sum(sizes).as_py() or 0


def _parquet_genres(name: str, place: str, genres: object) -> list[str]:
    match genres:
        case None:
            return []
        case str():
            return genres.split("|")
        case list() if all(isinstance(genre, str) for genre in genres):
            return genres
    raise DataError(
        f"{name} {place}: {GENRES_COLUMN} is {genres!r}, "
        "expected text such as Comedy|Drama, or a list of texts"
    )
