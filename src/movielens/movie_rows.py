"""Movie files into the catalogue: few rows with quoted titles, so they are read row by
row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
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
from movielens.files import (
    ChannelFile,
    open_bytes,
    parquet_file,
    reading,
    require_columns,
    text_rows,
)
from movielens.formats import Layout
from movielens.rating_rows import EXPECTED, is_usable_text
from movielens.tables import MovieTable

# Place, movie id as text, title and genres.
_Row = tuple[str, str, str, tuple[str, ...]]
_YEAR = re.compile(r"\((\d{4})(?:[-\u2013]\d{0,4})?\)")


@dataclass(frozen=True, slots=True)
class Movie:
    """One row of a movies file.

    Attributes:
        where: file and line, for messages.
        movie_id: raw.
        title: as `MovieTable` has it.
        genres: likewise.
    """

    where: str
    movie_id: int
    title: str
    genres: tuple[str, ...]


def read_movie_file(file: ChannelFile) -> list[Movie]:
    """The rows of one file; raises DataError as `movielens.readers.read_dataset`."""
    if file.layout is None:
        return [_checked(file.name, *row) for row in _parquet_movies(file)]
    with reading(file.name), open_bytes(file.path) as stream:
        data = stream.read()
    return movies_of_text(file.name, file.layout, data)


def movies_of_text(name: str, layout: Layout, data: bytes) -> list[Movie]:
    """The rows of a whole file's text."""
    return [_checked(name, *row) for row in _text_movies(name, layout, data)]


def catalogue(movies: Iterable[Movie]) -> MovieTable:
    """The table of all rows; a movie may stand twice if it is the same, otherwise a
    DataError is raised.
    """
    known: dict[int, Movie] = {}
    for movie in movies:
        first = known.setdefault(movie.movie_id, movie)
        if (first.title, first.genres) != (movie.title, movie.genres):
            raise DataError(
                f"{movie.where}: {MOVIE_ID} {movie.movie_id} stands twice, with another title or genres: keep one"
            )
    ordered = [known[movie_id] for movie_id in sorted(known)]
    return MovieTable(
        np.array([movie.movie_id for movie in ordered], dtype=np.int32),
        tuple(movie.title for movie in ordered),
        tuple(movie.genres for movie in ordered),
        np.array([year_of(movie.title) for movie in ordered], dtype=np.int16),
    )


def year_of(title: str) -> int:
    """The year at the end of a title, the first one of a span, 0 where there is none."""
    years = _YEAR.findall(title)
    return int(years[-1]) if years else 0


def _checked(
    name: str, place: str, movie_id: str, title: str, genres: tuple[str, ...]
) -> Movie:
    if not is_usable_text(MOVIE_ID, movie_id):
        raise DataError.at(name, place, MOVIE_ID, movie_id, EXPECTED[MOVIE_ID])
    return Movie(f"{name} {place}", int(movie_id), title, genres)


def _text_movies(name: str, layout: Layout, data: bytes) -> Iterator[_Row]:
    is_ml_100k = set(ML_100K_GENRES) <= set(layout.columns)
    require_columns(
        name,
        layout.columns,
        (MOVIE_ID, TITLE) if is_ml_100k else (MOVIE_ID, TITLE, GENRES_COLUMN),
    )
    for line, fields in text_rows(name, layout, data):
        if len(fields) != len(layout.columns):
            raise DataError(
                f"{name} line {line}: {len(fields)} fields, expected {len(layout.columns)}; "
                "quote titles that hold a comma"
            )
        row = dict(zip(layout.columns, fields, strict=True))
        flagged = [genre for genre in ML_100K_GENRES if row.get(genre) == "1"]
        genres = flagged if is_ml_100k else row[GENRES_COLUMN].split("|")
        yield f"line {line}", row[MOVIE_ID], *_movie(row[TITLE], genres)


def _parquet_movies(file: ChannelFile) -> Iterator[_Row]:
    names = (MOVIE_ID, TITLE, GENRES_COLUMN)
    require_columns(
        file.name, tuple(parquet_file(file.path, file.name).schema_arrow.names), names
    )
    with reading(file.name):
        rows = pq.read_table(file.path, columns=list(names)).to_pylist()
    for place, row in enumerate(rows, start=1):
        title, genres = row[TITLE], row[GENRES_COLUMN]
        if not isinstance(title, str | None):
            raise DataError(
                f"{file.name} row {place}: {TITLE} is {title!r}, expected text"
            )
        yield (
            f"row {place}",
            str(row[MOVIE_ID]),
            *_movie(title or "", _parquet_genres(file.name, place, genres)),
        )


def _parquet_genres(name: str, place: int, genres: object) -> list[str]:
    match genres:
        case None:
            return []
        case str():
            return genres.split("|")
        case list() if all(isinstance(genre, str) for genre in genres):
            return genres
    raise DataError(
        f"{name} row {place}: {GENRES_COLUMN} is {genres!r}, expected text such as Comedy|Drama, or a list of texts"
    )


def _movie(title: str, genres: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    named = (
        OLD_GENRE_NAMES.get(genre, genre)
        for genre in (" ".join(genre.split()) for genre in genres)
    )
    return " ".join(title.split()), tuple(
        genre for genre in named if genre not in NO_GENRE
    )
