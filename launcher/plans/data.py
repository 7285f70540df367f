"""What ``launcher data`` uploads (files whose bytes the bucket lacks) and removes
(files that are here no more).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import names
from launcher.config import Config
from launcher.requests import Action, Call, Request
from launcher.world.account import Account

PREFIX = "data/training/"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that a training job reads: its path, the name beneath the channel, its
    size in bytes and SHA-256.
    """

    path: Path
    name: str
    size: int
    sha256: str


def plan_data(
    config: Config, account: Account, local: list[LocalFile], remote: Mapping[str, str]
) -> list[Action]:
    """Upload what differs, then remove what would train along although it is here no
    more.

    Args:
        local: the files of the data directory.
        remote: SHA-256 by name of what the bucket has, empty for an object that says
            none.
    """
    bucket = {
        "Bucket": names.bucket(config, account.id),
        "ExpectedBucketOwner": account.id,
    }
    plan: list[Action] = []
    for file in local:
        if remote.get(file.name) != file.sha256:
            put = {
                **bucket,
                "Key": PREFIX + file.name,
                "Body": file.path,
                "Metadata": {"sha256": file.sha256},
            }
            plan.append(
                Call(
                    f"upload {file.name} ({file.size:,} bytes)",
                    Request("s3", "PutObject", put),
                )
            )
    for name in sorted(remote.keys() - {file.name for file in local}):
        request = Request("s3", "DeleteObject", {**bucket, "Key": PREFIX + name})
        plan.append(Call(f"remove {name}, which isn't in {config.data}", request))
    return plan
