"""What a training job leaves: its model and other output in S3, or the reason why there
is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.local.archives import pack
from launcher.local.cloud import Cloud
from launcher.s3_uri import S3Uri

REASON_CHARACTERS = 1024


def upload_archive(
    cloud: Cloud,
    directories: Sequence[Path],
    archive: Path,
    where: S3Uri,
    *,
    even_empty: bool,
) -> str:
    """Pack the directories of all hosts into one archive and upload it; gives its
    address.

    Raises:
        JobError: if the disk or the bucket doesn't take it.
    """
    target = where / archive.name
    if pack(directories, archive) or even_empty:
        cloud.upload(archive, target)
    return str(target)


def upload_files(cloud: Cloud, directories: Sequence[Path], where: S3Uri) -> str:
    """Upload the files of the directories as they are; gives the address of their
    folder.

    Raises:
        JobError: if the bucket doesn't take them.
    """
    for base in directories:
        for path in sorted(path for path in base.rglob("*") if path.is_file()):
            cloud.upload(path, where / str(path.relative_to(base)))
    return f"{where}/"


def failure_of(bases: Mapping[str, Path], failed: Mapping[str, int]) -> str:
    """The failure file of the first failed host that has one, as much of it as a
    FailureReason holds.
    """
    texts = {host: bases[host] / "output" / "failure" for host in failed}
    written = {host: path for host, path in texts.items() if path.is_file()}
    # Of hosts that were ended because of another, the exit status is that of a signal.
    host = next(iter(written or failed))
    text = written[host].read_text(errors="replace") if written else ""
    suffix = f", exit code: {failed[host]}"
    return f"AlgorithmError: {text}"[: REASON_CHARACTERS - len(suffix)] + suffix
