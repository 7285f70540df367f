from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from movielens.regular_files import read_regular, regular_size


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_file_is_read_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert read_regular(path, most_bytes=size) == b"x" * size
    assert regular_size(path) == size


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").write_bytes(b"content")
    (tmp_path / "link").symlink_to("..data")
    assert read_regular(tmp_path / "link", most_bytes=7) == b"content"


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_device, Path.mkdir])
def test_only_regular_files_are_opened(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = tmp_path / "file"
    make(path)
    with pytest.raises(OSError, match=r"no regular file|No such device"):
        read_regular(path, most_bytes=100)
    with pytest.raises(OSError, match=r"no regular file|No such device"):
        regular_size(path)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="1099511627776 bytes, expected at most 100"):
        read_regular(path, most_bytes=100)


def test_an_absent_file_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "file", most_bytes=100)
