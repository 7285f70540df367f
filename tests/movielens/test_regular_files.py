from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from movielens.regular_files import (
    LeadsOutError,
    directory_below,
    read_regular,
    regular_size,
)


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


# Links that lead out of a directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a file two levels down; beside it, the same with other words."""
    for name, content in (("root", "ours"), ("elsewhere", "theirs")):
        inner = tmp_path / name / "outer" / "inner"
        inner.mkdir(parents=True)
        (inner / "file").write_text(content)
    return tmp_path / "root"


def test_links_within_the_directory_are_followed(root: Path) -> None:
    path = root / "outer" / "inner" / "file"
    (root / "absolute").symlink_to(path.parent)
    (root / "relative").symlink_to("outer/inner/file")
    for each in (path, root / "absolute" / "file", root / "relative"):
        assert read_regular(each, 100, root) == b"ours"
        assert regular_size(each, root) == 4
    assert directory_below(root / "absolute", root) == path.parent


def test_links_out_of_the_directory_are_not(root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    (root / "directory").symlink_to(elsewhere)
    (root / "file").symlink_to("../elsewhere/outer/inner/file")
    (root / "itself").symlink_to(".")
    inner = root / "directory" / "outer" / "inner"
    for path in (root / "file", inner / "file", root / ".." / "elsewhere", root):
        with pytest.raises(LeadsOutError, match="it isn't below"):
            read_regular(path, 100, root)
    for path in (inner, root / "itself", root.parent):
        with pytest.raises(LeadsOutError, match="it isn't below"):
            directory_below(path, root)


class Swap:
    """Puts a link to elsewhere in the place of something, when something is opened.

    That is after the path was looked up, and before it is opened.
    """

    def __init__(self) -> None:
        self._opened = ""
        self._path = Path()
        self._target = Path()
        sys.addaudithook(self._watch)

    def when_opened(self, name: Path | str, path: Path, target: Path) -> None:
        """Make ``path`` a link to the target the next time that ``name`` is opened."""
        self._opened = str(name)
        self._path = path
        self._target = target

    def _watch(self, event: str, args: tuple[object, ...]) -> None:
        if event == "open" and self._opened and args[0] == self._opened:
            self._opened = ""
            self._path.rename(self._path.with_name("moved"))
            self._path.symlink_to(self._target)


@pytest.fixture(scope="module")
def swap() -> Swap:
    """There is one, since Python keeps such a hook for ever."""
    return Swap()


@pytest.mark.parametrize(
    ("opened", "swapped"),
    [
        ("root", "outer"),
        ("root", "outer/inner"),
        ("root", "outer/inner/file"),
        ("outer", "outer"),
        ("outer", "outer/inner"),
        ("inner", "outer/inner"),
        ("inner", "outer/inner/file"),
        ("file", "outer/inner/file"),
    ],
)
def test_what_becomes_a_link_before_it_is_opened_is_not_followed(
    root: Path, swap: Swap, opened: str, swapped: str
) -> None:
    path = root / "outer" / "inner" / "file"
    assert read_regular(path, 100, root) == b"ours"
    target = root.parent / "elsewhere" / swapped
    swap.when_opened(root if opened == "root" else opened, root / swapped, target)
    with pytest.raises(OSError, match=r"Not a directory|levels of symbolic links"):
        read_regular(path, 100, root)
    assert path.read_text() == "theirs"


def test_what_was_opened_before_it_became_a_link_is_read(
    root: Path, swap: Swap
) -> None:
    swap.when_opened("inner", root / "outer", root.parent / "elsewhere" / "outer")
    path = root / "outer" / "inner" / "file"
    assert read_regular(path, 100, root) == b"ours"
    assert path.read_text() == "theirs"
