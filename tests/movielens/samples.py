"""Small MovieLens files as text, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from movielens.channel import Channel
from movielens.errors import DataError
from movielens.files import ChannelFile, channel_files
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable

MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Children
3,"American President, The (1995)",Drama|IMAX
7,"Hyena Road",(no genres listed)
"""
RATINGS_HEADER = "userId,movieId,rating,timestamp\n"
RATINGS = RATINGS_HEADER + "1,1,4.0,964982703\n1,3,4.5,964981247\n2,7,0.5,1000\n"
# What RATINGS holds.
ROWS = [(1, 1, 4.0, 964982703), (1, 3, 4.5, 964981247), (2, 7, 0.5, 1000)]

ML_1M_MOVIES = (
    "1::Toy Story (1995)::Animation|Children's\n"
    "3::Misérables, Les: Part 2 (1995)::Drama\n"
)
ML_1M_RATINGS = "1::1::4::964982703\n2::3::5::7\n"
# What ML_1M_RATINGS holds.
ML_1M_ROWS = [(1, 1, 4.0, 964982703), (2, 3, 5.0, 7)]

# Writes files by name into a channel's directory, and gives the directory.
Write = Callable[[Mapping[str, str | bytes]], Path]


def read(directory: Path) -> Dataset:
    return read_dataset([Channel("training", directory)])


def fault(directory: Path) -> str:
    """The message of the error with which a channel is refused."""
    with pytest.raises(DataError) as caught:
        read(directory)
    return str(caught.value)


def ratings_file(directory: Path) -> ChannelFile:
    """The one file of ratings in a channel."""
    files = channel_files("training", directory)
    [found] = [file for file in files if file.role == "ratings"]
    return found


def rows(table: RatingTable) -> list[tuple[float, ...]]:
    """The rows of a table as tuples, in stars; without a timestamp if it has none."""
    columns = [
        table.user_id.tolist(),
        table.movie_id.tolist(),
        table.rating.tolist(),
    ]
    if table.timestamp is not None:
        columns.append(table.timestamp.tolist())
    return list(zip(*columns, strict=True))
