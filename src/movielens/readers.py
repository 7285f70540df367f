"""The data of all hosts, the same on each: every file is read by one host, and its rows
are given to all.

A rating takes 13 bytes, so that even 25 million travel in a moment; what is costly,
features and trees, is shared out afterwards. Tables are put in the order of their
files' names, which is the order that one host would read them in, so that neither the
number of hosts nor how the files are spread changes a single row. A pipe has no files,
so there the order is that of the hosts.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.assembly import assemble
from movielens.bad_rows import BadRows
from movielens.channel import Channel
from movielens.errors import DataError
from movielens.files import ChannelFile, channel_files, of_role
from movielens.formats import Role
from movielens.movie_rows import Movie, catalogue, read_movie_file
from movielens.peers import ALONE, Peers, exchange_json
from movielens.pipes import PipedRows, read_pipe
from movielens.rating_rows import read_rating_file, unknown_movies
from movielens.tables import MovieTable, RatingTable

logger = logging.getLogger(__name__)

_COLUMNS = ("user_id", "movie_id", "half_stars", "timestamp")
_PIPE = "a pipe"


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


def read_dataset(
    channels: Sequence[Channel],
    most_bad: float = 0.0,
    movies: MovieTable | None = None,
    peers: Peers = ALONE,
) -> Dataset:
    """Ratings and movies of all hosts.

    Args:
        channels: this host's.
        most_bad: share of the rating rows that may be left out because they can't be
            used; 0 makes the first such row an error.
        movies: a catalogue, where the channels need not have one; a movie that they
            have too is as they have it.
        peers: all hosts.

    Raises:
        HalfstarError: files that are absent, empty or broken, or values that can't be
            used; the same on all hosts.
    """
    share, bad_rows = _Share.of(channels, peers), BadRows(most_bad)
    share.require("ratings")
    everywhere = exchange_json(peers, lambda: share.movies(bad_rows))
    found = [
        Movie(**entry | {"genres": tuple(entry["genres"])})
        for host in everywhere
        for entry in host
    ]
    if movies is None and not found:
        share.require("movies")
    movies = catalogue([*_older(movies, found), *found])
    require_movies(movies, [file.name for file in share.of_role("movies")])
    known = movies.movie_id
    tables = _gathered(peers, lambda: share.ratings(known, bad_rows), bad_rows)
    ratings, dropped = assemble(tables, bad_rows)
    names = [name for name, _ in tables] + [
        file.name for file in share.everything if file.role == "movies"
    ]
    return Dataset(ratings, movies, tuple(dict.fromkeys(names)), dropped)


@dataclass
class _Share:
    """What this host reads.

    Attributes:
        channels: names of the job's, for messages.
        files: of all that this host has, those which no other host reads.
        pipes: likewise, by the name that messages call them.
        everything: the files of all hosts, as far as messages need them.
        is_piped: whether any host has a pipe, so that only reading tells what there is.
        piped: what came through the pipes.
    """

    channels: list[str]
    files: list[ChannelFile]
    pipes: dict[str, Channel]
    everything: list[ChannelFile]
    is_piped: bool
    piped: dict[str, PipedRows] = field(default_factory=dict)

    @classmethod
    def of(cls, channels: Sequence[Channel], peers: Peers) -> _Share:
        """Of hosts that have the same file, or the same pipe, one reads it, in turn."""
        found: list[ChannelFile] = []
        sharded = {channel.name for channel in channels if channel.is_sharded}

        def listing() -> list[tuple[str, Role | None, str, bool]]:
            found.extend(
                file
                for channel in channels
                if not channel.is_pipe
                for file in channel_files(channel.name, channel.path)
            )
            files = [
                (
                    file.name,
                    file.role,
                    file.begins,
                    file.name.partition("/")[0] in sharded,
                )
                for file in found
            ]
            return [
                *files,
                *(
                    (channel.name, None, _PIPE, channel.is_sharded)
                    for channel in channels
                    if channel.is_pipe
                ),
            ]

        hosts: list[list[tuple[str, Role | None, str, bool]]] = exchange_json(
            peers, listing
        )
        everywhere = sorted(
            {
                name
                for host in hosts
                for name, _, _, is_sharded in host
                if not is_sharded
            }
        )
        mine = {name for name, _, _, is_sharded in hosts[peers.rank] if is_sharded}
        for place, name in enumerate(everywhere):
            holders = [
                rank
                for rank, host in enumerate(hosts)
                if any(entry[0] == name for entry in host)
            ]
            if holders[place % len(holders)] == peers.rank:
                mine.add(name)
        entries = {
            (name, role, begins) for host in hosts for name, role, begins, _ in host
        }
        return cls(
            [channel.name for channel in channels],
            [file for file in found if file.name in mine],
            {
                channel.name: channel
                for channel in channels
                if channel.is_pipe and channel.name in mine
            },
            [
                ChannelFile(Path(), name, role, None, begins)
                for name, role, begins in sorted(entries, key=str)
            ],
            any(begins == _PIPE for _, _, begins in entries),
        )

    def of_role(self, role: Role) -> list[ChannelFile]:
        """The files of that role, of all hosts."""
        return [file for file in self.everything if file.role == role]

    def require(self, role: Role) -> None:
        """Raise a DataError where no host has a file of that role."""
        if not self.is_piped:
            of_role(self.everything, role, self.channels)

    def movies(self, bad_rows: BadRows) -> list[dict[str, Any]]:
        """The movies that this host reads, as JSON values; reads the pipes, whatever
        they hold.
        """
        found = [
            movie
            for file in self.files
            if file.role == "movies"
            for movie in read_movie_file(file)
        ]
        for name, channel in self.pipes.items():
            self.piped[name] = read_pipe(name, channel.path, bad_rows)
            found += self.piped[name].movies
            for header in self.piped[name].passed_over:
                logger.info(
                    "neither ratings nor movies, passed over in the pipe %s: %s",
                    name,
                    header,
                )
        return [asdict(movie) for movie in found]

    def ratings(
        self, known: NDArray[np.int32], bad_rows: BadRows
    ) -> dict[str, RatingTable]:
        """The ratings that this host reads, by name."""
        files = [file for file in self.files if file.role == "ratings"]
        tables = {file.name: read_rating_file(file, known, bad_rows) for file in files}
        for name, rows in self.piped.items():
            if rows.ratings:
                tables[name] = unknown_movies(
                    name, RatingTable.concatenate(rows.ratings), known, bad_rows
                )
        return tables


def _older(movies: MovieTable | None, found: list[Movie]) -> list[Movie]:
    """The movies of a catalogue that weren't found anew."""
    if movies is None:
        return []
    new = {movie.movie_id for movie in found}
    rows = zip(movies.movie_id.tolist(), movies.title, movies.genres, strict=True)
    return [
        Movie("the model", movie_id, title, genres)
        for movie_id, title, genres in rows
        if movie_id not in new
    ]


def _gathered(
    peers: Peers, read_own: Callable[[], dict[str, RatingTable]], bad_rows: BadRows
) -> list[tuple[str, RatingTable]]:
    """The tables of all hosts by name; counts the bad rows of all."""
    if len(peers) == 1:
        return sorted(read_own().items())
    own = peers.exchange(lambda: _packed(read_own()))
    counts = exchange_json(peers, lambda: (bad_rows.count, bad_rows.first))
    bad_rows.count = sum(count for count, _ in counts)
    bad_rows.first = next((first for _, first in counts if first), "")
    places = [
        (name, rank, table)
        for rank, data in enumerate(own)
        for name, table in _unpacked(data)
    ]
    return [
        (name, table) for name, _, table in sorted(places, key=lambda place: place[:2])
    ]


def _packed(tables: dict[str, RatingTable]) -> bytes:
    """Tables as npz: their columns, and their names as JSON."""
    buffer = io.BytesIO()
    arrays = {
        f"{place}.{column}": getattr(table, column)
        for place, table in enumerate(tables.values())
        for column in _COLUMNS
    }
    present = {name: array for name, array in arrays.items() if array is not None}
    np.savez(
        buffer,
        names=np.frombuffer(json.dumps(list(tables)).encode(), dtype=np.uint8),
        **present,
    )
    return buffer.getvalue()


def _unpacked(data: bytes) -> list[tuple[str, RatingTable]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = dict(archive)
    tables = []
    for place, name in enumerate(json.loads(arrays["names"].tobytes())):
        user_id, movie_id, half_stars = (
            arrays[f"{place}.{column}"] for column in _COLUMNS[:3]
        )
        tables.append(
            (
                name,
                RatingTable(
                    user_id, movie_id, half_stars, arrays.get(f"{place}.{_COLUMNS[3]}")
                ),
            )
        )
    return tables


def require_movies(movies: MovieTable, names: list[str]) -> None:
    """Raise a DataError where the files of those names list none."""
    if not len(movies):
        raise DataError(
            f"{', '.join(names)} has no rows: the movies that were rated are needed"
        )
