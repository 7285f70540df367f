"""``tar.gz`` archives, in which SageMaker keeps models and output."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

from launcher.local.errors import failing
from launcher.local.service_clients import ServiceClients
from launcher.s3_uri import S3Uri
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
    with (
        failing(f"ClientError: Failed to pack {archive.name}", OSError),
        # A second name of the same file would otherwise be packed as a link.
        tarfile.open(archive, "w:gz", dereference=True) as tar,
    ):
        for name, path in packed.items():
            tar.add(path, name, recursive=False)
    return len(packed)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a model's archive into a directory, which is made.

    Raises:
        FailureReasonError: if it isn't a readable ``tar.gz`` of files and directories
            below the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    reason = f"Failed to extract model data archive from {archive.name}"
    with failing(reason, OSError, ValueError):
        packed_files.unpack(archive, directory)


def download_archive(clients: ServiceClients, source: S3Uri, directory: Path) -> None:
    """Download a model's archive, and unpack it into a directory, which is made.

    Raises:
        FailureReasonError: if there is no such object, or it is no such archive.
    """
    archive = directory.with_name(f"{directory.name}.tar.gz")
    clients.download(source, archive)
    unpack(archive, directory)
    archive.unlink()


def is_plain(path: Path) -> bool:
    """Whether it is a file or a directory, and no link to one."""
    return not path.is_symlink() and (path.is_file() or path.is_dir())
