"""Reads files whole into memory of our own.

What a directory from elsewhere has under a name may be a pipe that nobody writes to, a
device without end, or a file that another program is writing. So only regular files are
read, no more of them than expected, and nothing is read twice: what was checked is what
is used. Links are followed, since volumes of Kubernetes consist of them.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file.
        most_bytes: how long the file may be.

    Raises:
        OSError: it can't be read, is no regular file, is too long, or was cut while it
            was read.
    """
    descriptor = _open(path)
    try:
        n_bytes = _size(descriptor, path)
        if n_bytes > most_bytes:
            reason = f"it has {n_bytes} bytes, expected at most {most_bytes}"
            raise OSError(errno.EFBIG, reason, str(path))
        return _read(descriptor, n_bytes, path)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> IO[bytes]:
    """A regular file, opened for reading.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    descriptor = _open(path)
    try:
        _size(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def regular_size(path: Path) -> int:
    """The size of a regular file in bytes.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    descriptor = _open(path)
    try:
        return _size(descriptor, path)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # A pipe without a writer would keep us waiting.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _read(descriptor: int, n_bytes: int, path: Path) -> bytes:
    # One call may give less than it was asked for.
    parts: list[bytes] = []
    missing = n_bytes
    while missing:
        part = os.read(descriptor, missing)
        if not part:
            raise OSError(errno.EIO, "it was cut while it was read", str(path))
        parts.append(part)
        missing -= len(part)
    # A single part isn't copied.
    return b"".join(parts)


def _size(descriptor: int, path: Path) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return status.st_size
