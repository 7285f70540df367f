"""Movie files into the catalogue: few rows with quoted titles, so they are read row by row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow.parquet as pq

from movielens.columns import GENRES_COLUMN, ML_100K_GENRES, MOVIE_ID, NO_GENRE, OLD_GENRE_NAMES, TITLE
from movielens.errors import DataError
from movielens.files import ChannelFile, parquet_file, reading, require_columns, text_rows
from movielens.formats import Layout
from movielens.rating_rows import EXPECTED, is_usable_text
from movielens.tables import MovieTable

_YEAR = re.compile(r"\((\d{4})(?:[-\u2013]\d{0,4})?\)")


def read_movie_files(files: list[ChannelFile]) -> MovieTable:
    """The catalogue of all files; a movie may stand twice if it is the same; raises DataError as `read_dataset`."""
    movies: dict[int, tuple[str, tuple[str, ...]]] = {}
    for file in files:
        for place, movie_id, movie in _parquet_movies(file) if file.layout is None else _text_movies(file, file.layout):
            if not is_usable_text(MOVIE_ID, movie_id):
                raise DataError.at(file.name, place, MOVIE_ID, movie_id, EXPECTED[MOVIE_ID])
            if movies.setdefault(int(movie_id), movie) != movie:
                raise DataError(
                    f"{file.name} {place}: {MOVIE_ID} {movie_id} stands twice, with another title or genres: keep one"
                )
    if not movies:
        raise DataError(f"{', '.join(file.name for file in files)} has no rows: the movies that were rated are needed")
    ordered = sorted(movies.items())
    return MovieTable(
        np.array([movie_id for movie_id, _ in ordered], dtype=np.int32),
        tuple(title for _, (title, _) in ordered),
        tuple(genres for _, (_, genres) in ordered),
        np.array([year_of(title) for _, (title, _) in ordered], dtype=np.int16),
    )


def year_of(title: str) -> int:
    """The year at the end of a title, the first one of a span, 0 where there is none."""
    years = _YEAR.findall(title)
    return int(years[-1]) if years else 0


def _text_movies(file: ChannelFile, layout: Layout) -> Iterator[tuple[str, str, tuple[str, tuple[str, ...]]]]:
    is_ml_100k = set(ML_100K_GENRES) <= set(layout.columns)
    require_columns(file.name, layout.columns, (MOVIE_ID, TITLE) if is_ml_100k else (MOVIE_ID, TITLE, GENRES_COLUMN))
    for line, fields in text_rows(file, layout):
        if len(fields) != len(layout.columns):
            raise DataError(
                f"{file.name} line {line}: {len(fields)} fields, expected {len(layout.columns)}; "
                "quote titles that hold a comma"
            )
        row = dict(zip(layout.columns, fields, strict=True))
        genres = [name for name in ML_100K_GENRES if row[name] == "1"] if is_ml_100k else row[GENRES_COLUMN].split("|")
        yield f"line {line}", row[MOVIE_ID], _movie(row[TITLE], genres)


def _parquet_movies(file: ChannelFile) -> Iterator[tuple[str, str, tuple[str, tuple[str, ...]]]]:
    names = (MOVIE_ID, TITLE, GENRES_COLUMN)
    require_columns(file.name, tuple(parquet_file(file.path, file.name).schema_arrow.names), names)
    with reading(file.name):
        rows = pq.read_table(file.path, columns=list(names)).to_pylist()
    for place, row in enumerate(rows, start=1):
        title, genres = row[TITLE], row[GENRES_COLUMN]
        if not isinstance(title, str | None):
            raise DataError(f"{file.name} row {place}: {TITLE} is {title!r}, expected text")
        yield f"row {place}", str(row[MOVIE_ID]), _movie(title or "", _parquet_genres(file.name, place, genres))


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
    named = (OLD_GENRE_NAMES.get(genre, genre) for genre in (" ".join(genre.split()) for genre in genres))
    return " ".join(title.split()), tuple(genre for genre in named if genre not in NO_GENRE)
