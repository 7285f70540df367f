"""Files of a ``tar.gz`` from anywhere.

Only regular files are unpacked, each name once and only below the directory. No more
bytes are unpacked than files of ratings or trees could have been packed into so few,
and nothing is kept in memory but a block. Python's own reader would follow links and
read headers of any length.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from movielens.regular_files import open_regular

# Text of numbers is packed into a tenth, trees into a quarter. A bomb is a thousandth.
_MOST_RATIO = 50
_ANYWAY_BYTES = 64 * 2**20
_MOST_MEMBERS = 10_000
_BLOCK_BYTES = 2**20

# What tarfile and gzip raise for a broken archive, beside ValueError.
_FAULTS = (
    EOFError,
    LookupError,
    OverflowError,
    RecursionError,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


def unpack(
    archive: Path, directory: Path, names: Collection[str] | None = None
) -> None:
    """Unpack files into a directory.

    Args:
        archive: the ``tar.gz``.
        directory: which exists and has none of these files.
        names: the files to unpack, others are left out; None for all.

    Raises:
        ValueError: the archive is damaged, too large for its size, or has anything but
            files and directories below the directory, or a file twice.
        OSError: it can't be read, or a file can't be written.
    """
    with open_regular(archive) as stream, _faults():
        n_packed = os.fstat(stream.fileno()).st_size
        for name, content in _files(stream, n_packed):
            if names is not None and name not in names:
                continue
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as unpacked:
                shutil.copyfileobj(content, unpacked, _BLOCK_BYTES)


def find(archive: bytes, name: str, most_bytes: int) -> bytes | None:
    """The first file of a name in an archive, in whatever directory; or None.

    Args:
        archive: the bytes of the ``tar.gz``.
        name: without directories.
        most_bytes: how long the file may be.

    Raises:
        ValueError: as `unpack`, or the file is too long.
    """
    with _faults():
        for path, content in _files(io.BytesIO(archive), len(archive)):
            if PurePosixPath(path).name == name:
                data = content.read(most_bytes + 1)
                if len(data) > most_bytes:
                    raise ValueError(f"{name} has more than {most_bytes} bytes")
                return data
    return None


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise ValueError(f"it isn't a whole tar.gz ({error})") from error


def _files(packed: IO[bytes], n_packed: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Path and content of each file; a content can be read until the next one."""
    most_bytes = _MOST_RATIO * n_packed + _ANYWAY_BYTES
    seen: set[str] = set()
    with gzip.GzipFile(fileobj=packed, mode="rb") as stream:
        bounded = _Bounded(stream, most_bytes)
        # Only what `_Bounded` has is asked of the file.
        with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
            for number, member in enumerate(tar):
                if number >= _MOST_MEMBERS:
                    raise ValueError(f"it has more than {_MOST_MEMBERS} members")
                if member.isdir():
                    continue
                name = _checked_name(member)
                if name in seen:
                    raise ValueError(f"{name!r} is in it twice")
                seen.add(name)
                content = tar.extractfile(member)
                assert content is not None  # it is a file
                yield name, content


def _checked_name(member: tarfile.TarInfo) -> str:
    """The member's path, if it is a file below the directory."""
    shown = repr(member.name[:100])
    if member.type not in _FILES or member.issparse():
        raise ValueError(f"{shown} is neither a file nor a directory")

    path = PurePosixPath(member.name)
    leads_out = path.is_absolute() or ".." in path.parts
    if leads_out or not path.parts or "\0" in member.name:
        raise ValueError(f"{shown} is no path below the directory")
    return str(path)


class _Bounded:
    """An unpacked stream that is only read forwards, in small pieces, to a bound.

    Args:
        stream: the unpacked bytes.
        most_bytes: how many may be read.
    """

    def __init__(self, stream: gzip.GzipFile, most_bytes: int) -> None:
        self._stream = stream
        self._most = most_bytes

    def read(self, n_bytes: int) -> bytes:
        """The next bytes."""
        if n_bytes > _BLOCK_BYTES:
            raise ValueError(f"it has a header of {n_bytes} bytes")
        self._check(self.tell() + n_bytes)
        return self._stream.read(n_bytes)

    def seek(self, position: int) -> int:
        """Go on from here."""
        if position < self.tell():
            raise ValueError("a member has a size below 0")
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        """How many bytes were read."""
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise ValueError(
                f"it has more than {self._most // 2**20} MiB unpacked, "
                "which is too much for its size"
            )
