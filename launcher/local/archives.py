"""Directories as the archives that the platform keeps them in."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

from launcher.local.errors import JobError


def pack(directories: Iterable[Path], archive: Path) -> int:
    """Pack the contents of directories into one ``tar.gz``; gives the number of files.

    Where several have a file of one name, the first one's counts: the hosts of a job
    must choose names that differ.

    Raises:
        JobError: if the disk doesn't take it.
    """
    seen: set[str] = set()
    try:
        with tarfile.open(archive, "w:gz") as tar:
            for directory in directories:
                for path in sorted(directory.rglob("*")):
                    name = str(path.relative_to(directory))
                    if name not in seen:
                        seen.add(name)
                        tar.add(path, name, recursive=False)
    except OSError as error:
        raise JobError(
            f"ClientError: Failed to pack {archive.name}: {error.strerror}"
        ) from error
    return len(seen)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a model archive; members that would leave the directory are refused.

    Raises:
        JobError: if it isn't a readable ``tar.gz``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(directory, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise JobError(
            f"Failed to extract model data archive from {archive.name}: {error}"
        ) from error
