"""Reads the ratings and movies of a job's channels, the same on every host.

Every file is read by one host, and its rows are sent to all:

1. The hosts list their files to each other and share them out (`movielens.sharing`).
2. Each host reads its movie files and its pipes. The movies of all hosts become the
   catalogue.
3. Each host reads its rating files and checks their movies against the catalogue.
4. The tables of all hosts are joined in the order of their files' names, and duplicates
   are dropped.

One host would read the files in the same order. So neither the number of hosts nor the
place of a file changes a single row. Pipes have no file names; their tables are ordered
by channel and then by host.

A rating takes 13 bytes, so that even 25 million are sent quickly. The costly work,
making features and trees, is shared out later.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from movielens.assembly import assemble, join
from movielens.bad_rows import BadRows
from movielens.channel import Channel
from movielens.errors import DataError
from movielens.files import READ_LIMITS, ReadLimits
from movielens.movie_rows import Movie, catalogue, read_movie_file
from movielens.peers import ALONE, Peers, exchange_json
from movielens.pipes import PipedRows, read_pipe
from movielens.rating_rows import RatingReader
from movielens.sharing import Share, share_of
from movielens.table_exchange import exchange_tables
from movielens.tables import MovieTable, RatingTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the channels of a job hold.

    Attributes:
        ratings: in file order, files by name, without duplicates.
        movies: the catalogue.
        files: the names of the files, which begin with their channels.
        dropped: how many rows were dropped, by reason.
    """

    ratings: RatingTable
    movies: MovieTable
    files: tuple[str, ...]
    dropped: dict[str, int]


def read_dataset(
    channels: Sequence[Channel],
    most_bad: float = 0.0,
    movies: MovieTable | None = None,
    peers: Peers = ALONE,
    limits: ReadLimits = READ_LIMITS,
) -> Dataset:
    """Read the ratings and movies of all hosts.

    Args:
        channels: this host's.
        most_bad: the largest share of the rating rows that may be dropped because they
            can't be used; 0 makes the first such row an error. See
            `movielens.bad_rows.largest_bad_share`.
        movies: an earlier catalogue, so that the channels need no movies. A movie that
            the channels have is taken from them.
        peers: all hosts.
        limits: how much is held in memory at a time.

    Raises:
        HalfstarError: a file is absent, empty or broken, or a value can't be used. All
            hosts raise the same error.

    Example:
        >>> from pathlib import Path
        >>> channel = Channel("training", Path("data/ml-latest-small"))
        >>> data = read_dataset([channel])
        >>> len(data.ratings), len(data.movies), data.files
        (100836, 9742, ('training/ratings.csv', 'training/movies.csv'))
    """
    share = share_of(channels, peers)
    share.require("ratings")
    bad_rows = BadRows(most_bad)
    host = _HostReader(share, bad_rows, limits)

    found = _exchange_movies(host, peers)
    if movies is None and not found:
        share.require("movies")
    known = [] if movies is None else _older_movies(movies, found)
    movies = catalogue([*known, *found])
    if not len(movies):
        names = ", ".join(share.names("movies"))
        raise DataError(f"{names} has no rows: the rated movies are needed")

    all_movies = movies
    tables = exchange_tables(peers, lambda: host.ratings(all_movies))
    _add_up(bad_rows, peers)
    ratings, dropped = assemble(tables, bad_rows)

    files = [name for name, _ in tables] + share.names("movies")
    files_once = tuple(dict.fromkeys(files))
    return Dataset(ratings, movies, files_once, dropped)


@dataclass
class _HostReader:
    """Reads this host's share: first the movies, then the ratings.

    Attributes:
        share: what to read.
        bad_rows: what happens to ratings that can't be used.
        limits: how much is held at a time.
        piped: what came through the pipes, by channel.
    """

    share: Share
    bad_rows: BadRows
    limits: ReadLimits
    piped: dict[str, PipedRows] = field(default_factory=dict)

    def movies(self) -> list[Movie]:
        """The movies of this host's files and pipes.

        Pipes can be read only once, so their ratings are kept for later.
        """
        movies: list[Movie] = []
        for file in self.share.own_files("movies"):
            movies += read_movie_file(file, self.limits)
        for pipe in self.share.pipes:
            rows = read_pipe(pipe.name, pipe.path, self.bad_rows, self.limits)
            self.piped[pipe.name] = rows
            movies += rows.movies
            for header in rows.ignored:
                logger.info(
                    "neither ratings nor movies, ignored in the pipe %s: %s",
                    pipe.name,
                    header,
                )
        return movies

    def ratings(self, movies: MovieTable) -> dict[str, RatingTable]:
        """The ratings of this host's files by name, and of its pipes by channel.

        Args:
            movies: the movies that may be rated.
        """
        reader = RatingReader(movies.movie_id, self.bad_rows, self.limits)
        tables = {
            file.name: reader.read_file(file)
            for file in self.share.own_files("ratings")
        }
        for channel, rows in self.piped.items():
            if rows.ratings:
                table = join([(channel, table) for table in rows.ratings])
                tables[channel] = reader.drop_unknown_movies(channel, table)
        return tables


def _exchange_movies(host: _HostReader, peers: Peers) -> list[Movie]:
    """The movies that all hosts have read."""

    def read_own() -> list[dict[str, Any]]:
        return [asdict(movie) for movie in host.movies()]

    movies = []
    for movies_of_host in exchange_json(peers, read_own):
        for values in movies_of_host:
            # JSON has lists where a movie has a tuple.
            genres = tuple(values.pop("genres"))
            movies.append(Movie(**values, genres=genres))
    return movies


def _older_movies(movies: MovieTable, found: list[Movie]) -> list[Movie]:
    """The movies of an earlier catalogue that weren't found again."""
    found_ids = {movie.movie_id for movie in found}
    rows = zip(movies.movie_id.tolist(), movies.title, movies.genres, strict=True)
    return [
        Movie("the model", movie_id, title, genres)
        for movie_id, title, genres in rows
        if movie_id not in found_ids
    ]


def _add_up(bad_rows: BadRows, peers: Peers) -> None:
    """Turn this host's count of bad rows into the count of all hosts."""
    counts = exchange_json(peers, lambda: (bad_rows.count, bad_rows.first))
    bad_rows.count = sum(count for count, _ in counts)
    bad_rows.first = next((first for _, first in counts if first), "")
