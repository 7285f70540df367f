"""``tar.gz`` archives, in which SageMaker keeps models and output."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

from launcher.local.errors import FailureReasonError


def pack(directories: Iterable[Path], archive: Path) -> int:
    """Pack the contents of directories, one a host, into one archive.

    If several hosts wrote a file of the same name, the first host's is kept.

    Returns:
        The number of files.

    Raises:
        FailureReasonError: if the archive can't be written.
    """
    names: set[str] = set()
    try:
        with tarfile.open(archive, "w:gz") as tar:
            for directory in directories:
                for path in sorted(directory.rglob("*")):
                    name = str(path.relative_to(directory))
                    if name not in names:
                        names.add(name)
                        tar.add(path, name, recursive=False)
    except OSError as error:
        raise FailureReasonError(
            f"ClientError: Failed to pack {archive.name}: {error.strerror}"
        ) from error
    return len(names)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a model's archive into a directory, which is made.

    Members that would end up outside the directory are refused.

    Raises:
        FailureReasonError: if it isn't a readable ``tar.gz``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(directory, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise FailureReasonError(
            f"Failed to extract model data archive from {archive.name}: {error}"
        ) from error
