"""``tar.gz`` archives of models and output."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from launcher.local.archives import pack, unpack
from launcher.local.errors import FailureReasonError


def files(directory: Path, **texts: str) -> Path:
    directory.mkdir()
    for name, text in texts.items():
        (directory / name).write_text(text)
    return directory


def test_the_files_of_all_hosts_are_packed_and_the_first_of_a_name_is_kept(
    tmp_path: Path,
) -> None:
    first = files(tmp_path / "first", model="1", log="1")
    second = files(tmp_path / "second", model="2", trace="2")
    archive = tmp_path / "model.tar.gz"
    assert pack([first, second], archive) == 3
    unpack(archive, tmp_path / "unpacked")
    unpacked = {
        path.name: path.read_text() for path in (tmp_path / "unpacked").iterdir()
    }
    assert unpacked == {"model": "1", "log": "1", "trace": "2"}


def test_an_archive_that_cannot_be_written_fails_the_job(tmp_path: Path) -> None:
    with pytest.raises(FailureReasonError, match=r"Failed to pack model\.tar\.gz"):
        pack([], tmp_path / "absent" / "model.tar.gz")


def test_a_file_that_is_no_archive_fails_the_job(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"no archive")
    with pytest.raises(FailureReasonError, match="Failed to extract model data"):
        unpack(archive, tmp_path / "model")


def test_a_member_outside_the_directory_is_refused(tmp_path: Path) -> None:
    outside = files(tmp_path / "outside", file="1") / "file"
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(outside, "../escaped")
    with pytest.raises(FailureReasonError, match="no path below the directory"):
        unpack(archive, tmp_path / "model")
    assert not (tmp_path / "escaped").exists()


def test_links_of_a_container_are_not_followed(tmp_path: Path) -> None:
    secret = files(tmp_path / "outside", secret="1") / "secret"
    model = files(tmp_path / "model", weights="1")
    (model / "link").symlink_to(secret)
    (model / "directory").symlink_to(secret.parent)
    (model / "again").hardlink_to(model / "weights")
    os.mkfifo(model / "pipe")
    archive = tmp_path / "model.tar.gz"
    assert pack([model], archive) == 2
    unpack(archive, tmp_path / "unpacked")
    names = {path.name for path in (tmp_path / "unpacked").rglob("*")}
    assert names == {"weights", "again"}


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    zeros = tmp_path / "zeros"
    with zeros.open("wb") as file:
        file.truncate(100 * 2**20)
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(zeros, "zeros")
    with pytest.raises(FailureReasonError, match="too much for its size"):
        unpack(archive, tmp_path / "model")
