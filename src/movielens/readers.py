"""Raw MovieLens files into checked tables; a value that can't be used is named with its
file, line and column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from movielens.assembly import assemble
from movielens.bad_rows import BadRows
from movielens.errors import DataError
from movielens.files import channel_files, of_role
from movielens.movie_rows import catalogue, read_movie_file
from movielens.rating_rows import read_rating_file
from movielens.tables import MovieTable, RatingTable


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the channels of a job hold.

    Attributes:
        ratings: in file order, files by name, without duplicates.
        movies: the catalogue.
        files: the names of the files read, channel first.
        dropped: counts of rows left out, by reason.
    """

    ratings: RatingTable
    movies: MovieTable
    files: tuple[str, ...]
    dropped: dict[str, int]


def read_dataset(channels: Mapping[str, Path]) -> Dataset:
    """Ratings and movies from one channel with both, or from several.

    Args:
        channels: directories by channel name.

    Raises:
        DataError: files that are absent, empty or broken, or the first value that can't
            be used.
    """
    files = [
        file
        for channel, directory in channels.items()
        for file in channel_files(channel, directory)
    ]
    movie_files, rating_files = (
        of_role(files, "movies", channels),
        of_role(files, "ratings", channels),
    )
    movies = catalogue(movie for file in movie_files for movie in read_movie_file(file))
    require_movies(movies, [file.name for file in movie_files])
    bad_rows = BadRows()
    tables = [
        (file.name, read_rating_file(file, movies.movie_id, bad_rows))
        for file in rating_files
    ]
    ratings, dropped = assemble(tables, bad_rows)
    return Dataset(
        ratings,
        movies,
        tuple(file.name for file in (*rating_files, *movie_files)),
        dropped,
    )


def require_movies(movies: MovieTable, names: list[str]) -> None:
    """Raise a DataError where the files of those names list none."""
    if not len(movies):
        raise DataError(
            f"{', '.join(names)} has no rows: the movies that were rated are needed"
        )
