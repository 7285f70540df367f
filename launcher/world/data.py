"""The training data in the bucket."""

from __future__ import annotations

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError, LauncherError
from launcher.plans.data import PREFIX
from launcher.world.account import Account


def remote_files(aws: Aws, config: Config, account: Account) -> dict[str, str]:
    """SHA-256 of the training channel's objects, by name.

    An object without a recorded SHA-256 has an empty one.

    Raises:
        LauncherError: there is no bucket.
    """
    bucket = names.bucket(config, account.id)
    owned = account.owned(bucket)
    try:
        listed = aws.pages("s3", "ListObjectsV2", "Contents", Prefix=PREFIX, **owned)
        keys = [entry["Key"] for entry in listed]
    except AwsError as error:
        if error.is_absent:
            raise LauncherError(
                f"there is no bucket {bucket}: run `launcher init`"
            ) from error
        raise

    sha256: dict[str, str] = {}
    for key in keys:
        head = aws.read("s3", "HeadObject", Key=key, **owned)
        sha256[key.removeprefix(PREFIX)] = head["Metadata"].get("sha256", "")
    return sha256
