"""Plans ``launcher data``: uploads files that changed, removes those that are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import names
from launcher.config import Config
from launcher.requests import Action, Call, Request
from launcher.world.account import Account

# Where the training channel's objects are in the bucket.
PREFIX = "data/training/"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that a training job reads.

    Attributes:
        path: where it is.
        name: its path within the channel.
        size: in bytes.
        sha256: hexadecimal.
    """

    path: Path
    name: str
    size: int
    sha256: str


def plan_data(
    config: Config, account: Account, local: list[LocalFile], remote: Mapping[str, str]
) -> list[Action]:
    """Upload the files that differ, then remove objects that have no file.

    A job would train on those objects too.

    Args:
        config: names the bucket.
        account: owns it.
        local: the files of the data directory.
        remote: SHA-256 of each object in the bucket, by name; empty for an object
            without one.
    """
    bucket = {
        "Bucket": names.bucket(config, account.id),
        "ExpectedBucketOwner": account.id,
    }
    plan: list[Action] = []

    for file in local:
        if remote.get(file.name) == file.sha256:
            continue
        put = bucket | {
            "Key": PREFIX + file.name,
            "Body": file.path,
            "Metadata": {"sha256": file.sha256},
        }
        request = Request("s3", "PutObject", put)
        plan.append(Call(f"upload {file.name} ({file.size:,} bytes)", request))

    gone = remote.keys() - {file.name for file in local}
    for name in sorted(gone):
        delete = bucket | {"Key": PREFIX + name}
        request = Request("s3", "DeleteObject", delete)
        plan.append(Call(f"remove {name}, which isn't in {config.data}", request))
    return plan
