"""Files that are whole after a crash of the machine, or aren't there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

UNFINISHED = ".unfinished"


def write(path: Path, data: bytes) -> None:
    """Write a file, and return once it is on the disk.

    Raises:
        OSError: it can't be written; a part of it may be there.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that has its name only once all of it is on the disk.

    Until then it has the same name with `UNFINISHED` at the end.

    Raises:
        OSError: it can't be written; what had the name before is still there.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        write(unfinished, data)
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_names(path.parent)


def _sync_names(directory: Path) -> None:
    """Return once the names of a directory's files are on the disk.

    Some file systems can't say so. A file there is whole all the same, but after a
    crash it may have its old name.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
