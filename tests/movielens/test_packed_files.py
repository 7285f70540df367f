from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from movielens.packed_files import find, unpack


def member(
    name: str, kind: bytes = tarfile.REGTYPE, **fields: object
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """A ``tar.gz`` of members without content, and of files with theirs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
        for each in members:
            if isinstance(each, tarfile.TarInfo):
                tar.addfile(each)
            else:
                name, content = each
                tar.addfile(member(name, size=len(content)), io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Unpacks the bytes of an archive, and gives the files by path."""

    def run(data: bytes, names: list[str] | None = None) -> dict[str, bytes]:
        archive = tmp_path / "model.tar.gz"
        archive.write_bytes(data)
        directory = tmp_path / "directory"
        directory.mkdir()
        unpack(archive, directory, names)
        return {
            str(path.relative_to(directory)): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file()
        }

    return run


Unpacked = Callable[..., dict[str, bytes]]


def test_files_are_unpacked_where_they_were(unpacked: Unpacked) -> None:
    data = tar_of(
        member(".", tarfile.DIRTYPE),
        ("./a", b"first"),
        member("./deep", tarfile.DIRTYPE),
        ("deep/b", b""),
        ("x" * 200, bytes(3_000_000)),  # with a long name, which has its own header
    )
    expected = {"a": b"first", "deep/b": b"", "x" * 200: bytes(3_000_000)}
    assert unpacked(data) == expected


def test_only_the_wanted_names_are_unpacked(unpacked: Unpacked) -> None:
    data = tar_of(("a", b"1"), ("b", b"2"), ("deep/a", b"3"))
    assert unpacked(data, ["a", "c"]) == {"a": b"1"}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "manifest.json"),
        (tarfile.LNKTYPE, "absent"),
        (tarfile.LNKTYPE, "manifest.json"),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.GNUTYPE_SPARSE, ""),
        (b"Z", ""),
    ],
)
def test_links_devices_and_the_like_are_refused(
    unpacked: Unpacked, kind: bytes, target: str
) -> None:
    data = tar_of(member("manifest.json", kind, linkname=target))
    with pytest.raises(ValueError, match=r"'manifest\.json' is neither a file nor"):
        unpacked(data)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a/..", ".", ""])
def test_a_path_out_of_the_directory_is_refused(unpacked: Unpacked, name: str) -> None:
    with pytest.raises(ValueError, match="is no path below the directory"):
        unpacked(tar_of((name, b"content")))


def test_a_file_that_is_there_twice_is_refused(unpacked: Unpacked) -> None:
    with pytest.raises(ValueError, match="'a' is in it twice"):
        unpacked(tar_of(("a", b"1"), ("./a", b"2")))


def test_a_bomb_is_refused_before_it_fills_the_disk(
    unpacked: Unpacked, tmp_path: Path
) -> None:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as packed:
        packed.write(member("a", size=2**40).tobuf())
        for _ in range(100):
            packed.write(bytes(2**20))
    with pytest.raises(ValueError, match="MiB unpacked, which is too much"):
        unpacked(stream.getvalue())
    assert (tmp_path / "directory" / "a").stat().st_size < 100 * 2**20


def test_a_bomb_is_not_even_passed_over(unpacked: Unpacked) -> None:
    data = tar_of(("other", bytes(200 * 2**20)))
    with pytest.raises(ValueError, match="MiB unpacked, which is too much"):
        unpacked(data, ["a"])


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME]
)
def test_a_long_header_is_not_kept_in_memory(unpacked: Unpacked, kind: bytes) -> None:
    header = member("././@PaxHeader", kind, size=2**30).tobuf()
    with pytest.raises(ValueError, match="it has a header of 1073741824 bytes"):
        unpacked(gzip.compress(header + bytes(10_000)))


def test_headers_of_headers_are_a_value_error(unpacked: Unpacked) -> None:
    header = member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=512).tobuf()
    with pytest.raises(ValueError, match=r"whole tar\.gz"):
        unpacked(gzip.compress((header + bytes(512)) * 5000))


def test_a_size_below_0_is_a_value_error(unpacked: Unpacked) -> None:
    first = member("a", size=0).tobuf()
    # Base 256, as GNU tar writes large numbers, with the sign of a negative one.
    negative = first[:124] + b"\xff" * 10 + b"\xfc\x00" + first[136:148]
    checksum = sum(negative) + sum(first[156:]) + 8 * 32
    header = negative + f"{checksum:06o}\0 ".encode() + first[156:]
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"size below 0|whole tar\.gz"):
        unpacked(gzip.compress(header * 3 + bytes(1024)))
    assert time.monotonic() - started < 60


def test_very_many_members_are_refused(unpacked: Unpacked) -> None:
    header = member("a", tarfile.DIRTYPE).tobuf()
    with pytest.raises(ValueError, match="more than 10000 members"):
        unpacked(gzip.compress(header * 20_000))


@pytest.mark.parametrize(
    "data", [b"", b"no archive", gzip.compress(b"no archive", mtime=0)]
)
def test_what_is_no_archive_is_a_value_error(unpacked: Unpacked, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"it isn't a whole tar\.gz"):
        unpacked(data)


def test_any_cut_is_a_value_error_or_has_only_whole_files(tmp_path: Path) -> None:
    whole = tar_of(("a", os.urandom(3000)), ("b", os.urandom(3000)))
    archive = tmp_path / "archive"
    for n_bytes in range(0, len(whole) - 8, 97):
        archive.write_bytes(whole[:n_bytes])
        directory = tmp_path / str(n_bytes)
        directory.mkdir()
        with pytest.raises(ValueError, match=r"whole tar\.gz"):
            unpack(archive, directory)


def test_an_archive_that_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "archive")
    with pytest.raises(OSError, match="no regular file"):
        unpack(tmp_path / "archive", tmp_path)


def test_a_file_is_found_in_any_directory() -> None:
    data = tar_of(("other", b"1"), ("data/evaluation.json", b"{}"))
    assert find(data, "evaluation.json", most_bytes=2) == b"{}"
    assert find(data, "absent", most_bytes=2) is None
    with pytest.raises(ValueError, match="has more than 1 bytes"):
        find(data, "evaluation.json", most_bytes=1)
