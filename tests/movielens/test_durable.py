"""Files that are whole after a crash, or aren't there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from movielens import durable

Write = Callable[[Path, bytes], None]


@pytest.mark.parametrize("write", [durable.write, durable.write_whole])
def test_a_file_is_replaced(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"the former, which is longer")
    write(path, b"the new one")
    assert path.read_bytes() == b"the new one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_stays_and_nothing_unfinished_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        durable.write_whole(path, b"data")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    # The disk is full for the file that is to get the name.
    (tmp_path / f"file{durable.UNFINISHED}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        durable.write_whole(path, b"data")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
