"""Names that fit the services' rules by derivation, and that are the same for the same
work.

A job's name carries a hash of all that decides its result. The same command, typed
again or after it was killed half-way, therefore meets the job that it began instead of
starting another.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from launcher.config import Config
from launcher.errors import ConfigError

TAG_KEY = "halfstar"
# The longest name of a tuning job, which has the shortest names of all that we create.
TUNING_NAME_LENGTH = 32
_HASH_LENGTH = 10
_MOST_ATTEMPTS = 9999
# Behind the project's name: a dash, the hash, and an attempt such as ``-9999``.
_ROOM = 1 + _HASH_LENGTH + 1 + len(str(_MOST_ATTEMPTS))


def tags(config: Config) -> dict[str, str]:
    """The tags of all that we create: ours, and the user's."""
    return {**config.tags, TAG_KEY: config.name}


def tag_list(config: Config) -> list[dict[str, str]]:
    """The same in the form that most services take."""
    return [{"Key": key, "Value": value} for key, value in tags(config).items()]


def bucket(config: Config, account: str) -> str:
    """The configured bucket, or one that is ours alone: bucket names are global."""
    return (
        config.bucket
        or _fitted_before(config.name, f"-{account}-{config.region}", 63).lower()
    )


def role(config: Config) -> str:
    """The configured role's name (an ARN's last part), or one a region, since roles are
    global to the account.
    """
    return config.role.rpartition("/")[2] or _fitted_before(
        config.name, f"-{config.region}", 64
    )


def repository(config: Config) -> str:
    """The configured ECR repository, or the project's name."""
    return config.repository or image(config)


def image(config: Config) -> str:
    """The local image: the project's name as docker and ECR take one."""
    return fitted(config.name, 256).lower()


def endpoint(config: Config) -> str:
    """The configured endpoint, or the project's name."""
    return config.hosting_endpoint or fitted(config.name, 63)


def package_group(config: Config) -> str:
    """The model package group, which has the project's name."""
    return fitted(config.name, 63)


def searched(config: Config) -> str:
    """So much of the project's name as is in every name of ours, so that a list can be
    narrowed by it.
    """
    return fitted(config.name, TUNING_NAME_LENGTH - _ROOM)


def of_work(prefix: str, decides: Any, attempt: int = 1, longest: int = 63) -> str:
    """``PREFIX-HASH``, or ``PREFIX-HASH-2`` for a second attempt; ``decides`` is all
    that decides the result.

    Raises:
        ConfigError: if nothing of the prefix can be used, or after too many attempts.
    """
    if attempt > _MOST_ATTEMPTS:
        raise ConfigError(
            f"{prefix} has {_MOST_ATTEMPTS} attempts at the same work: set another `name`"
        )
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[
        :_HASH_LENGTH
    ]
    return (
        fitted(prefix, longest - _ROOM)
        + f"-{digest}"
        + (f"-{attempt}" if attempt > 1 else "")
    )


def _fitted_before(name: str, suffix: str, longest: int) -> str:
    """The name is cut, never what tells it from that of another account or region."""
    return fitted(name, longest - len(suffix)) + suffix


def fitted(name: str, longest: int) -> str:
    """``name`` with what no service takes turned into dashes, cut to ``longest``
    characters.

    Raises:
        ConfigError: if nothing is left.
    """
    clean = re.sub(r"[^a-zA-Z0-9]+", "-", name).strip("-")[:longest].rstrip("-")
    if not clean:
        raise ConfigError(
            f"name is {name!r}, expected letters and digits, with dashes between"
        )
    return clean
