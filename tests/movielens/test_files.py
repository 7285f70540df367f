from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import DataError
from movielens.files import (
    ReadLimits,
    channel_files,
    line_blocks,
    open_bytes,
    without_lone_cr,
)
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


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_ratings_in_utf_16_are_not_passed_over(
    write: Write, encoding: str, mark: str
) -> None:
    text = (mark + RATINGS).encode(encoding)
    base = write({"b.csv": text, "ratings.csv": RATINGS, "movies.csv": MOVIES})
    expected = "training/b.csv is UTF-16, not UTF-8: save the file as UTF-8"
    assert fault(base) == expected


def test_other_files_in_utf_16_are_ignored(write: Write) -> None:
    notes = "\ufeffnotes".encode("utf-16-le")
    base = write({"notes": notes, "ratings.csv": RATINGS, "movies.csv": MOVIES})
    assert read(base).files == ("training/ratings.csv", "training/movies.csv")


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
    limits = ReadLimits(block_bytes=size)
    blocks = list(line_blocks(io.BytesIO(with_lines), "a", limits))
    assert b"".join(blocks) == with_lines
    for block in blocks[:-1]:
        assert block.endswith(b"\n")


def read_and_fault(blocks: Iterator[bytes]) -> tuple[bytes, str]:
    """What is read before the fault, and the fault."""
    read = b""
    try:
        for block in blocks:
            read += block
    except DataError as error:
        return read, str(error)
    return read, ""


@given(st.lists(st.sampled_from(["a", "bb", "c" * 9, ""])), st.integers(1, 20))
def test_a_line_that_is_too_long_is_refused_after_the_lines_before_it(
    lines: list[str], block_bytes: int
) -> None:
    data = "".join(f"{line}\n" for line in [*lines, "d" * 10, "e"]).encode()
    limits = ReadLimits(block_bytes=block_bytes, row_bytes=9)
    read, fault = read_and_fault(line_blocks(io.BytesIO(data), "a.csv", limits))
    assert read.decode() == "".join(f"{line}\n" for line in lines)
    place = f"a.csv line {len(lines) + 1}"
    assert fault.startswith(f"{place}: longer than 9 bytes, the limit")


@pytest.mark.parametrize("name", ["ratings.csv.gz", "movies.csv.gz"])
def test_an_endless_line_is_refused_after_its_first_block(
    write: Write, name: str
) -> None:
    header = {
        "ratings.csv.gz": "userId,movieId,rating,note\n1,1,4.0,",
        "movies.csv.gz": "movieId,title,genres\n1,",
    }
    one_line = header[name].encode() + b"a" * 100_000_000
    files = {"ratings.csv": RATINGS, "movies.csv": MOVIES}
    base = write({**files, name: gzip.compress(one_line, 1)})
    message = fault(base)
    assert message.startswith(f"training/{name} line 2: longer than 131072 bytes")


# Line ends

LONE_CR = "a line ends in CR alone, expected LF or CRLF: save the file with"


@pytest.mark.parametrize("name", ["ratings.csv", "movies.csv"])
@pytest.mark.parametrize("line", [1, 2, 4])
def test_cr_alone_is_refused_with_its_line(write: Write, name: str, line: int) -> None:
    files = {"ratings.csv": RATINGS, "movies.csv": MOVIES}
    lines = files[name].splitlines()
    lines[line - 1] += "\r"
    files[name] = "\n".join(lines).replace("\r\n", "\r")
    message = fault(write(files))
    assert message.startswith(f"training/{name} line {line}: {LONE_CR}")


@pytest.mark.parametrize("name", ["ratings.csv", "movies.csv"])
def test_a_file_with_cr_alone_is_refused(write: Write, name: str) -> None:
    files = {"ratings.csv": RATINGS, "movies.csv": MOVIES}
    files[name] = files[name].replace("\n", "\r") + "9" * 200_000
    message = fault(write(files))
    assert message.startswith(f"training/{name} line 1: {LONE_CR}")


@given(st.lists(st.sampled_from([b"a\n", b"b\r\n"]), max_size=6), st.integers(0, 3))
def test_lines_before_cr_alone_come_first(blocks: list[bytes], more: int) -> None:
    last = b"c\n" * more + b"d\re\nf\n"
    read, fault = read_and_fault(without_lone_cr("a", [*blocks, last], first_line=5))
    assert read == b"".join(blocks) + b"c\n" * more
    assert fault.startswith(f"a line {5 + len(blocks) + more}: {LONE_CR}")


# Archives


def tar_of(files: dict[str, str], mode: Literal["w", "w:gz", "w:bz2"]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    return packed.getvalue()


def zip_of(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


FILES = {"ratings.csv": RATINGS, "movies.csv": MOVIES}
ARCHIVES = {
    "data.tar": tar_of(FILES, "w"),
    "data.tar.gz": tar_of(FILES, "w:gz"),
    "data.tar.bz2": tar_of(FILES, "w:bz2"),
    "data.zip": zip_of(FILES),
    "empty.zip": zip_of({}),
    "data.zip.gz": gzip.compress(zip_of(FILES)),
    "ratings.csv": tar_of(FILES, "w:gz"),
    "twice.gz": gzip.compress(gzip.compress(RATINGS.encode())),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_passed_over_and_named(
    write: Write, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    files: dict[str, str | bytes] = {"r": RATINGS, "m": MOVIES}
    files[name] = ARCHIVES[name]
    assert read(write(files)).files == ("training/r", "training/m")
    assert f"archives, passed over: training/{name}: unpack them" in caplog.messages


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_alone_is_refused(write: Write, name: str) -> None:
    base = write({name: ARCHIVES[name]})
    assert fault(base) == f"training/{name} is an archive: unpack it"

    write({"movies.txt": MOVIES})
    message = fault(base)
    assert f"training/{name} (an archive: unpack it)" in message
    assert message.isprintable()


@pytest.mark.parametrize("text", ["userId,movieId,rating\0\n", "1,1,4\0\n", "\0" * 999])
def test_text_with_nul_in_its_first_line_is_ignored(write: Write, text: str) -> None:
    message = fault(write({"ratings.csv": text, "movies.csv": MOVIES}))
    assert message.startswith("no ratings")
    assert message.isprintable()


# Headers


@pytest.mark.parametrize("column", ["userId", "movieId", "rating", "timestamp"])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_column_that_is_twice_in_a_header_is_refused(
    write: Write, column: str, separator: str
) -> None:
    names = ["userId", "movieId", "rating", "timestamp", column]
    rows = f"{separator.join(names)}\n{separator.join('11115')}\n"
    message = fault(write({"ratings.csv": rows, "movies.csv": MOVIES}))
    header = ",".join(names)
    assert message == (
        f"training/ratings.csv has the column {column} twice, "
        f"its header is {header}: keep one"
    )


def test_a_column_that_is_twice_in_movies_is_refused(write: Write) -> None:
    movies = "movieId,title,genres,title\n1,A,Drama,B\n"
    message = fault(write({"ratings.csv": RATINGS, "movies.csv": movies}))
    assert message.startswith("training/movies.csv has the column title twice")


def test_a_column_that_is_twice_in_parquet_is_refused(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    columns = [pa.array([1]), pa.array([1]), pa.array([4.0]), pa.array([3])]
    table = pa.table(columns, names=["userId", "movieId", "rating", "movieId"])
    pq.write_table(table, base / "r.parquet")
    assert fault(base).startswith("training/r.parquet has the column movieId twice")


def test_other_columns_may_be_there_twice(write: Write) -> None:
    rows = "x,userId,movieId,rating,x\n9,1,3,4.0,8\n"
    assert len(read(write({"ratings.csv": rows, "movies.csv": MOVIES})).ratings) == 1
