"""Reads movie files and makes the catalogue of their rows.

There are few movies, and their titles are quoted, so they are read row by row.
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
from movielens.field_checks import EXPECTED, is_usable_text
from movielens.files import (
    ChannelFile,
    open_bytes,
    parquet_file,
    reading,
    require_columns,
    text_rows,
)
from movielens.formats import MOVIE_COLUMNS, FileLayout
from movielens.tables import MovieTable

# One year or a span of years, in round brackets.
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


def read_movie_file(file: ChannelFile) -> list[Movie]:
    """The movies of one file, in its order.

    Raises:
        DataError: a missing column, or a value that can't be used.
    """
    if file.layout is None:
        return list(_parquet_movies(file))
    with reading(file.name), open_bytes(file.path) as stream:
        data = stream.read()
    return movies_of_text(file.name, file.layout, data)


def movies_of_text(name: str, layout: FileLayout, data: bytes) -> list[Movie]:
    """The movies of a file's whole text, in its order; see `read_movie_file`.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        data: the text.
    """
    columns = layout.columns
    has_genre_flags = set(ML_100K_GENRES) <= set(columns)
    needed = (MOVIE_ID, TITLE) if has_genre_flags else MOVIE_COLUMNS
    require_columns(name, columns, needed)

    movies = []
    for line, fields in text_rows(name, layout, data):
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
        movie_id=int(movie_id),
        title=_single_spaced(title),
        genres=tuple(genre for genre in renamed if genre not in NO_GENRE),
    )


def _single_spaced(text: str) -> str:
    return " ".join(text.split())


def _parquet_movies(file: ChannelFile) -> Iterator[Movie]:
    present = tuple(parquet_file(file.path, file.name).schema_arrow.names)
    require_columns(file.name, present, MOVIE_COLUMNS)
    with reading(file.name):
        rows = pq.read_table(file.path, columns=list(MOVIE_COLUMNS)).to_pylist()

    for number, row in enumerate(rows, start=1):
        place = f"row {number}"
        title = row[TITLE]
        if not isinstance(title, str | None):
            raise DataError(f"{file.name} {place}: {TITLE} is {title!r}, expected text")
        genres = _parquet_genres(file.name, place, row[GENRES_COLUMN])
        yield _movie(file.name, place, str(row[MOVIE_ID]), title or "", genres)


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
