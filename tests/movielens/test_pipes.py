"""Pipe mode through real FIFOs: objects one after the other, as SageMaker writes them."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import movielens.files
from movielens.bad_rows import BadRows
from movielens.errors import DataError
from movielens.pipes import PipedRows, read_pipe
from movielens.tables import RatingTable

HEADER = "userId,movieId,rating,timestamp\n"
MOVIES = 'movieId,title,genres\n1,Toy Story (1995),Comedy\n3,"American President, The (1995)",Drama\n'
RATINGS = HEADER + "1,1,4.0,964982703\n1,3,4.5,964981247\n"
ROWS = [(1, 1, 4.0, 964982703), (1, 3, 4.5, 964981247)]

Pipe = Callable[..., PipedRows]


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    def read(*objects: str | bytes, bad_rows: BadRows | None = None) -> PipedRows:
        fifo = tmp_path / "training_0"
        os.mkfifo(fifo)
        data = b"".join(
            part.encode() if isinstance(part, str) else part for part in objects
        )

        def feed() -> None:
            with fifo.open("wb") as file:
                file.write(data)

        thread = threading.Thread(target=feed)
        thread.start()
        try:
            return read_pipe("training", fifo, bad_rows or BadRows())
        finally:
            thread.join(10)
            fifo.unlink()

    return read


def rows(tables: list[RatingTable]) -> list[tuple[float, ...]]:
    table = RatingTable.concatenate(tables)
    assert table.timestamp is not None
    columns = (table.user_id, table.movie_id, table.rating, table.timestamp)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("size", [16, 1 << 24])
@pytest.mark.parametrize(
    "objects",
    [
        (MOVIES, RATINGS),
        (RATINGS, MOVIES),
        (
            "movieId,imdbId,tmdbId\n1,2,3\n",
            MOVIES,
            RATINGS,
            "userId,movieId,tag,timestamp\n1,1,fun,5\n",
        ),
        (MOVIES, HEADER, *(HEADER + "{},{},{},{}\n".format(*row) for row in ROWS)),
        (MOVIES, RATINGS.replace("\n", "\r\n")),
        (gzip.compress(MOVIES.encode()), gzip.compress(RATINGS.encode())),
        (RATINGS.rstrip("\n"), MOVIES),
        (MOVIES, "\ufeff" + RATINGS),
    ],
)
def test_objects_are_told_by_their_headers(
    pipe: Pipe,
    objects: tuple[str | bytes, ...],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(movielens.files, "BLOCK_BYTES", size)
    piped = pipe(*objects)
    assert rows(piped.ratings) == ROWS
    assert [(movie.movie_id, movie.genres) for movie in piped.movies] == [
        (1, ("Comedy",)),
        (3, ("Drama",)),
    ]


def test_what_is_neither_is_told(pipe: Pipe) -> None:
    assert pipe("movieId,imdbId,tmdbId\n1,2,3\n", MOVIES).passed_over == [
        "movieId,imdbId,tmdbId"
    ]


def test_without_a_header_all_is_of_one_kind(pipe: Pipe) -> None:
    assert rows(pipe("1::1::4::964982703\n", "1::3::4.5::964981247\n").ratings) == ROWS


def test_a_bad_row_has_its_line_in_the_pipe(pipe: Pipe) -> None:
    with pytest.raises(DataError, match=r"training \(pipe\) line 6: rating is '4\.7'"):
        pipe(MOVIES, RATINGS.replace("4.5", "4.7"))
    bad_rows = BadRows(most=0.5)
    assert (
        rows(pipe(MOVIES, RATINGS.replace("4.5", "4.7"), bad_rows=bad_rows).ratings)
        == ROWS[:1]
    )
    assert (bad_rows.count, bad_rows.first.partition(":")[0]) == (
        1,
        "training (pipe) line 6",
    )


def test_parquet_is_refused(pipe: Pipe) -> None:
    with pytest.raises(DataError, match="pipes Parquet"):
        pipe(b"PAR1 and more")


def test_an_absent_pipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        read_pipe("training", tmp_path / "training_0", BadRows())
