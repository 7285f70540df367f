from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import DataError
from movielens.files import channel_files, line_blocks, open_bytes
from tests.movielens.samples import MOVIES, RATINGS, Write, fault, read


def test_hidden_copies_are_ignored(write: Write) -> None:
    hidden = {
        ".ipynb_checkpoints/ratings-checkpoint.csv": RATINGS,
        "._ratings.csv": RATINGS,
    }
    data = read(write({"ratings.csv": RATINGS, "movies.csv": MOVIES, **hidden}))
    assert data.files == ("training/ratings.csv", "training/movies.csv")
    assert data.dropped == {"duplicate": 0}


def test_a_table_of_users_is_ignored(write: Write) -> None:
    users = "userId,gender,age\n1,F,25\n"
    base = write({"users.csv": users, "ratings.csv": RATINGS, "movies.csv": MOVIES})
    assert read(base).files == ("training/ratings.csv", "training/movies.csv")


def test_files_are_recognised_by_their_content(write: Write) -> None:
    base = write({"b": RATINGS, "a": gzip.compress(MOVIES.encode()), "c": "README"})
    files = channel_files("training", base)
    assert [file.name for file in files] == ["training/a", "training/b", "training/c"]
    assert [file.role for file in files] == ["movies", "ratings", None]
    assert [file.begins for file in files][1:] == [
        "userId,movieId,rating,timestamp",
        "README",
    ]


def test_a_broken_gzip_file_is_named(write: Write) -> None:
    packed = gzip.compress(RATINGS.encode() * 50_000)
    half = packed[: len(packed) // 2]
    message = fault(write({"ratings.csv.gz": half, "movies.csv": MOVIES}))
    assert message.startswith("training/ratings.csv.gz is a broken gzip file")


def test_a_channel_without_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"channel movies: .*nowhere is no directory"):
        channel_files("movies", tmp_path / "nowhere")


def test_gzip_is_unpacked_whatever_the_name_is(tmp_path: Path) -> None:
    for name, content in {"plain": b"text", "packed": gzip.compress(b"text")}.items():
        (tmp_path / name).write_bytes(content)
        with open_bytes(tmp_path / name) as stream:
            assert stream.read() == b"text"


@given(st.binary(max_size=60), st.integers(1, 20))
def test_blocks_are_whole_lines_and_all_of_the_data(data: bytes, size: int) -> None:
    with_lines = data.replace(b"\x00", b"\n")
    blocks = list(line_blocks(io.BytesIO(with_lines), size))
    assert b"".join(blocks) == with_lines
    for block in blocks[:-1]:
        assert block.endswith(b"\n")
