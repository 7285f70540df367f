"""``tar.gz`` archives, in which SageMaker keeps models and output."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

from launcher.local.errors import FailureReasonError
from movielens import packed_files


def contents(directories: Iterable[Path]) -> dict[str, Path]:
    """The files and directories below some directories, one a host, by name.

    If several hosts wrote a file of the same name, the first host's is kept. Links,
    pipes and the like are left out: a link might lead out of the container's files.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if is_plain(path):
                found.setdefault(str(path.relative_to(directory)), path)
    return found


def pack(directories: Iterable[Path], archive: Path) -> int:
    """Pack the contents of directories, one a host, into one archive.

    Returns:
        The number of files and directories.

    Raises:
        FailureReasonError: if the archive can't be written.
    """
    packed = contents(directories)
    try:
        # A second name of the same file would otherwise be packed as a link.
        with tarfile.open(archive, "w:gz", dereference=True) as tar:
            for name, path in packed.items():
                tar.add(path, name, recursive=False)
    except OSError as error:
        raise FailureReasonError(
            f"ClientError: Failed to pack {archive.name}: {error.strerror}"
        ) from error
    return len(packed)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a model's archive into a directory, which is made.

    Raises:
        FailureReasonError: if it isn't a readable ``tar.gz`` of files and directories
            below the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        packed_files.unpack(archive, directory)
    except (OSError, ValueError) as error:
        raise FailureReasonError(
            f"Failed to extract model data archive from {archive.name}: {error}"
        ) from error


def is_plain(path: Path) -> bool:
    """Whether it is a file or a directory, and no link to one."""
    return not path.is_symlink() and (path.is_file() or path.is_dir())
