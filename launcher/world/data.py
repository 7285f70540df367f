"""The training data: the files of the data directory, and those in the bucket."""

from __future__ import annotations

import hashlib
from pathlib import Path

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError
from launcher.names import CHANNEL
from launcher.plans.data import PREFIX, LocalFile
from launcher.world.account import Account

_CHUNK = 1 << 20


def local_files(directory: Path) -> list[LocalFile]:
    """The files of a data directory that training would read, checked with the very
    reader that training uses.

    Raises:
        DataError: the first value that can't be used, with file, line and column.
    """
    from movielens.channel import Channel
    from movielens.readers import read_dataset

    dataset = read_dataset([Channel(CHANNEL, directory)])
    # The reader's names begin with the channel's.
    return [_local_file(directory, name.partition("/")[2]) for name in dataset.files]


def _local_file(directory: Path, name: str) -> LocalFile:
    path, digest = directory / name, hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return LocalFile(path, name, path.stat().st_size, digest.hexdigest())


def remote_files(aws: Aws, config: Config, account: Account) -> dict[str, str]:
    """SHA-256 of the training channel's objects, by name; empty if there is no bucket.

    An object without a recorded SHA-256 has an empty one.
    """
    owned = account.owned(names.bucket(config, account.id))
    try:
        listed = aws.pages("s3", "ListObjectsV2", "Contents", Prefix=PREFIX, **owned)
        keys = [entry["Key"] for entry in listed]
    except AwsError as error:
        if error.is_absent:
            return {}
        raise

    sha256: dict[str, str] = {}
    for key in keys:
        head = aws.read("s3", "HeadObject", Key=key, **owned)
        sha256[key.removeprefix(PREFIX)] = head["Metadata"].get("sha256", "")
    return sha256
