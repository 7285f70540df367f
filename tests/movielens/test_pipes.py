"""Objects one after the other through real FIFOs, as SageMaker writes them."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path
from typing import Protocol

import pytest

from movielens.bad_rows import BadRows
from movielens.channel import Channel
from movielens.errors import DataError
from movielens.files import READ_LIMITS, ReadLimits
from movielens.pipes import PipedRows, read_pipe
from movielens.readers import read_dataset
from movielens.tables import RatingTable
from tests.movielens.samples import RATINGS_HEADER, rows

MOVIES = (
    "movieId,title,genres\n"
    "1,Toy Story (1995),Comedy\n"
    '3,"American President, The (1995)",Drama\n'
)
RATINGS = RATINGS_HEADER + "1,1,4.0,964982703\n1,3,4.5,964981247\n"
ROWS = [(1, 1, 4.0, 964982703), (1, 3, 4.5, 964981247)]
LINKS = "movieId,imdbId,tmdbId\n1,2,3\n"
TAGS = "userId,movieId,tag,timestamp\n1,1,fun,5\n"


class Pipe(Protocol):
    """Sends objects through a FIFO, and reads them."""

    def __call__(
        self,
        *objects: str | bytes,
        bad_rows: BadRows | None = None,
        limits: ReadLimits = READ_LIMITS,
    ) -> PipedRows: ...


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    fifo = tmp_path / "training_0"

    def read(
        *objects: str | bytes,
        bad_rows: BadRows | None = None,
        limits: ReadLimits = READ_LIMITS,
    ) -> PipedRows:
        parts = [part.encode() if isinstance(part, str) else part for part in objects]
        os.mkfifo(fifo)
        thread = threading.Thread(target=fifo.write_bytes, args=[b"".join(parts)])
        thread.start()
        try:
            return read_pipe("training", fifo, bad_rows or BadRows(), limits)
        finally:
            thread.join(10)
            fifo.unlink()

    return read


def rows_of(piped: PipedRows) -> list[tuple[float, ...]]:
    return rows(RatingTable.concatenate(piped.ratings))


SEQUENCES: dict[str, list[str | bytes]] = {
    "movies first": [MOVIES, RATINGS],
    "ratings first": [RATINGS, MOVIES],
    "others between": [LINKS, MOVIES, RATINGS, TAGS],
    "shards": [
        MOVIES,
        RATINGS_HEADER,
        *(RATINGS_HEADER + "{},{},{},{}\n".format(*row) for row in ROWS),
    ],
    "crlf": [MOVIES, RATINGS.replace("\n", "\r\n")],
    "gzip": [gzip.compress(MOVIES.encode()), gzip.compress(RATINGS.encode())],
    "no last line end": [RATINGS.rstrip("\n"), MOVIES],
    "byte order mark": [MOVIES, "\ufeff" + RATINGS],
}


@pytest.mark.parametrize("block_bytes", [16, 1 << 24])
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_objects_are_recognised_by_their_headers(
    pipe: Pipe, sequence: str, block_bytes: int
) -> None:
    piped = pipe(*SEQUENCES[sequence], limits=ReadLimits(block_bytes=block_bytes))
    assert rows_of(piped) == ROWS
    genres = {movie.movie_id: movie.genres for movie in piped.movies}
    assert genres == {1: ("Comedy",), 3: ("Drama",)}


def test_ignored_objects_are_reported(pipe: Pipe) -> None:
    assert pipe(LINKS, MOVIES).ignored == ["movieId,imdbId,tmdbId"]


def test_objects_without_headers_are_all_alike(pipe: Pipe) -> None:
    piped = pipe("1::1::4::964982703\n", "1::3::4.5::964981247\n")
    assert rows_of(piped) == ROWS


def test_a_bad_row_has_its_line_in_the_pipe(pipe: Pipe) -> None:
    bad_ratings = RATINGS.replace("4.5", "4.7")
    with pytest.raises(DataError, match=r"training \(pipe\) line 6: rating is '4\.7'"):
        pipe(MOVIES, bad_ratings)

    bad_rows = BadRows(most=0.5)
    piped = pipe(MOVIES, bad_ratings, bad_rows=bad_rows)
    assert rows_of(piped) == ROWS[:1]
    assert bad_rows.count == 1
    assert bad_rows.first.startswith("training (pipe) line 6:")


def test_a_bad_movie_has_the_line_at_which_its_object_begins(pipe: Pipe) -> None:
    expected = r"training \(from line 4 of the pipe\) line 2: movieId is 'x'"
    with pytest.raises(DataError, match=expected):
        pipe(RATINGS, MOVIES.replace("1,Toy", "x,Toy"))


def test_parquet_is_refused(pipe: Pipe) -> None:
    with pytest.raises(DataError, match="pipes Parquet"):
        pipe(b"PAR1 and more")


def test_an_absent_pipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        read_pipe("training", tmp_path / "training_0", BadRows())


def test_a_channel_may_be_a_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "training_0"
    os.mkfifo(fifo)
    unknown_movie = "2,99,1.0,5\n"
    text = (RATINGS + unknown_movie + MOVIES).encode()
    thread = threading.Thread(target=fifo.write_bytes, args=[text])
    thread.start()
    channel = Channel("training", fifo, is_pipe=True)
    data = read_dataset([channel], most_bad=0.5)
    thread.join(10)
    assert rows(data.ratings) == ROWS
    assert data.files == ("training",)
    assert data.dropped == {"duplicate": 0, "bad_row": 1}


def test_cr_alone_has_its_line_in_the_pipe(pipe: Pipe) -> None:
    with pytest.raises(DataError, match=r"training \(pipe\) line 5: a line ends in CR"):
        pipe(MOVIES, RATINGS.replace("703\n", "703\r"))


@pytest.mark.parametrize("last", ["  \n", "\x1a", "\t"])
def test_blanks_at_the_end_of_a_pipe_are_skipped(pipe: Pipe, last: str) -> None:
    assert rows_of(pipe(MOVIES, RATINGS + last)) == ROWS


def test_an_archive_is_refused(pipe: Pipe) -> None:
    with pytest.raises(DataError, match="pipes an archive: unpack it"):
        pipe(b"PK\x03\x04 and more")


def test_a_pipe_has_limits_too(pipe: Pipe) -> None:
    with pytest.raises(DataError, match="line 4: longer than 60 bytes"):
        pipe(MOVIES + "a" * 61, limits=ReadLimits(block_bytes=16, row_bytes=60))
    with pytest.raises(DataError, match="holds more than 60 bytes of text"):
        pipe(MOVIES, limits=ReadLimits(movie_bytes=60))


def test_all_objects_of_a_pipe_have_timestamps_or_none(tmp_path: Path) -> None:
    # A file is read like a pipe, and needs no thread.
    path = tmp_path / "training_0"
    path.write_text(MOVIES + RATINGS + "userId,movieId,rating\n2,1,4.0\n")
    channel = Channel("training", path, is_pipe=True)
    with pytest.raises(DataError, match="training has no timestamp column"):
        read_dataset([channel])

    path.write_text(MOVIES + RATINGS_HEADER + "userId,movieId,rating\n2,1,4.0\n")
    assert rows(read_dataset([channel]).ratings) == [(2, 1, 4.0)]
