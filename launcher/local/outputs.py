"""What a training job leaves: its model and other output in S3, or the reason why it
failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.local.archives import is_plain, pack
from launcher.local.errors import REASON_CHARACTERS
from launcher.local.service_clients import ServiceClients
from launcher.s3_uri import S3Uri


def upload_archive(
    clients: ServiceClients,
    directories: Sequence[Path],
    archive: Path,
    folder: S3Uri,
    *,
    even_if_empty: bool,
    key: str | None,
) -> str:
    """Upload the files of all hosts as one archive.

    Args:
        clients: to write to S3.
        directories: one a host.
        archive: written here first; S3 has it under the same name.
        folder: in S3.
        even_if_empty: whether an archive without files is uploaded too.
        key: the KMS key that encrypts it, if there is one.

    Returns:
        The archive's address.

    Raises:
        FailureReasonError: if it can't be written or uploaded.
    """
    target = folder / archive.name
    n_files = pack(directories, archive)
    if n_files or even_if_empty:
        clients.upload(archive, target, key)
    return str(target)


def upload_files(
    clients: ServiceClients,
    directories: Sequence[Path],
    folder: S3Uri,
    key: str | None,
) -> str:
    """Upload the files of all hosts as they are, without links, encrypted by a KMS key
    if there is one.

    Returns:
        The folder's address.

    Raises:
        FailureReasonError: if S3 refuses one.
    """
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if is_plain(path) and path.is_file():
                name = str(path.relative_to(directory))
                clients.upload(path, folder / name, key)
    return str(folder / "")


def failure_reason(bases: Mapping[str, Path], statuses: Mapping[str, int]) -> str:
    """The FailureReason of a job: its failure file and the exit status.

    A host that was ended because another one failed has no failure file. So the first
    host that has one counts, or else the first that failed. A long text is cut.

    Args:
        bases: each host's ``/opt/ml``.
        statuses: exit statuses of the hosts that failed; at least one.
    """
    failed_host = next(iter(statuses))
    text = ""
    for host in statuses:
        path = bases[host] / "output" / "failure"
        if is_plain(path) and path.is_file():
            failed_host = host
            with path.open(errors="replace") as file:
                text = file.read(REASON_CHARACTERS)
            break

    suffix = f", exit code: {statuses[failed_host]}"
    reason = f"AlgorithmError: {text}"
    return reason[: REASON_CHARACTERS - len(suffix)] + suffix
