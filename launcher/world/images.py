"""The image in the registry that jobs and endpoints are started from."""

from __future__ import annotations

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.images import registry_access, remote_image
from launcher.world.account import Account
from launcher.world.resources import read_repository


def repository_uri(aws: Aws, config: Config, account: Account) -> str:
    """Where images are pushed to and pulled from, on the configured host or ECR's."""
    name = names.repository(config)
    if config.registry:
        return f"{config.registry}/{name}"
    return read_repository(aws, config).uri or f"{account.ecr_host}/{name}"


def image_uri(aws: Aws, config: Config, account: Account) -> str:
    """The configured image, or the newest that was pushed, by digest.

    Raises:
        LauncherError: no image was pushed.
    """
    if config.image:
        return config.image
    access = registry_access(aws, config.registry)
    remote = remote_image(access, names.repository(config), "latest")
    uri = repository_uri(aws, config, account)
    if remote is None:
        raise LauncherError(
            f"{uri} has no image: run `launcher build` and `launcher push`, "
            "or set `image`"
        )
    return f"{uri}@{remote.digest}"
