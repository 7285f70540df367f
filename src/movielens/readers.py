"""Raw MovieLens files into checked tables; a value that can't be used is named with its file, line and column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from movielens.files import channel_files, of_role
from movielens.movie_rows import read_movie_files
from movielens.rating_rows import read_rating_files
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
        DataError: files that are absent, empty or broken, or the first value that can't be used.
    """
    files = [file for channel, directory in channels.items() for file in channel_files(channel, directory)]
    movie_files = of_role(files, "movies", channels)
    rating_files = of_role(files, "ratings", channels)
    movies = read_movie_files(movie_files)
    ratings, dropped = read_rating_files(rating_files, movies)
    return Dataset(ratings, movies, tuple(file.name for file in (*rating_files, *movie_files)), dropped)


def read_ratings(channel: str, directory: Path, movies: MovieTable) -> tuple[RatingTable, dict[str, int]]:
    """The ratings of a channel of their own, and the counts of rows left out by reason; errors as `read_dataset`."""
    return read_rating_files(of_role(channel_files(channel, directory), "ratings", {channel: directory}), movies)
