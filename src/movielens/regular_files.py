"""Reads files whole into memory of our own.

What a directory from elsewhere has under a name may be a pipe that nobody writes to, a
device without end, or a file that another program is writing. So only regular files are
read, no more of them than expected, and nothing is read twice: what was checked is what
is used. Links are followed, since volumes of Kubernetes consist of them; but not out of
a directory, if one is given. Whoever can write there may replace a directory by a link
at any moment, so what was looked up is opened step by step, from one directory to the
next, and no step follows a link.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

# A pipe without a writer would keep us waiting.
_READ = os.O_RDONLY | os.O_NONBLOCK
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class LeadsOutError(OSError):
    """A path, or a link in it, that leads out of the directory in which it must be."""


def read_regular(path: Path, most_bytes: int, below: Path | None = None) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file.
        most_bytes: how long the file may be.
        below: the directory in which the file must be; None if it may be anywhere.

    Raises:
        LeadsOutError: it is elsewhere.
        OSError: it can't be read, is no regular file, is too long, or was cut while it
            was read.
    """
    descriptor = _open(path, _READ, below)
    try:
        n_bytes = _size(descriptor, path)
        if n_bytes > most_bytes:
            reason = f"it has {n_bytes} bytes, expected at most {most_bytes}"
            raise OSError(errno.EFBIG, reason, str(path))
        return _read(descriptor, n_bytes, path)
    finally:
        os.close(descriptor)


def open_regular(path: Path, below: Path | None = None) -> IO[bytes]:
    """A regular file, opened for reading.

    Args:
        path: of the file.
        below: the directory in which the file must be; None if it may be anywhere.

    Raises:
        LeadsOutError: it is elsewhere.
        OSError: it can't be opened, or is no regular file.
    """
    descriptor = _open(path, _READ, below)
    try:
        _size(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def regular_size(path: Path, below: Path | None = None) -> int:
    """The size of a regular file in bytes. It isn't opened for that.

    Args:
        path: of the file.
        below: the directory in which the file must be; None if it may be anywhere.

    Raises:
        LeadsOutError: it is elsewhere.
        OSError: it isn't there, or is no regular file.
    """
    descriptor = _open(path, os.O_PATH, below)
    try:
        return _size(descriptor, path)
    finally:
        os.close(descriptor)


def directory_below(path: Path, below: Path) -> Path:
    """The path of a directory, without links.

    Args:
        path: of the directory.
        below: the directory in which it must be.

    Raises:
        LeadsOutError: it is elsewhere.
        OSError: it isn't there, or is no directory.
    """
    resolved = _resolved(path, below)
    os.close(_open(resolved, _STEP, below))
    return resolved


def _resolved(path: Path, below: Path) -> Path:
    resolved = Path(os.path.realpath(path))
    if Path(os.path.realpath(below)) not in resolved.parents:
        raise LeadsOutError(errno.EXDEV, f"it isn't below {below}", str(path))
    return resolved


def _open(path: Path, flags: int, below: Path | None = None) -> int:
    if below is None:
        return os.open(path, flags | os.O_CLOEXEC)
    return _open_step_by_step(path, flags, below)


def _open_step_by_step(path: Path, flags: int, below: Path) -> int:
    """Open what is below a directory, however often something there is replaced.

    Links are resolved first. Those that take the place of something after that are
    found when it is opened.
    """
    start = os.path.realpath(below)
    *directories, name = _resolved(path, below).relative_to(start).parts
    descriptor = os.open(start, _STEP)
    try:
        for directory in directories:
            inner = os.open(directory, _STEP | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(name, flags, dir_fd=descriptor)
    finally:
        os.close(descriptor)


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
