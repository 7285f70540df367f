"""Names of what we create. They fit the services' rules, and the same work always gets
the same name.

A job's name carries a hash of all that decides its result. So the same command, typed
again or after it was killed half-way, meets the job that it began instead of starting
another.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from launcher.config import Config
from launcher.errors import ConfigError

TAG_KEY = "halfstar"
# The tag of an endpoint that names the configuration before the last update.
BEFORE_KEY = f"{TAG_KEY}-before"
# The inline policy of the execution role.
ROLE_POLICY = "halfstar"
# The input channel of training jobs.
CHANNEL = "training"

# SageMaker's limit for most names, and its shorter one for tuning jobs.
NAME_LENGTH = 63
TUNING_NAME_LENGTH = 32
_HASH_LENGTH = 10
_MAX_ATTEMPTS = 9999
# What can follow the project's name: "-HASH-9999".
_SUFFIX_LENGTH = len("-") + _HASH_LENGTH + len(f"-{_MAX_ATTEMPTS}")


def tags(config: Config) -> dict[str, str]:
    """The tags of all that we create: the user's, and ours."""
    return {**config.tags, TAG_KEY: config.name}


def tag_list(config: Config) -> list[dict[str, str]]:
    """The same tags in the form that most services take."""
    return as_list(tags(config))


def missing_tags(config: Config, found: Mapping[str, str]) -> list[dict[str, str]]:
    """Those of our tags that something hasn't got, or with another value."""
    missing = dict(tags(config).items() - found.items())
    return as_list(dict(sorted(missing.items())))


def as_list(by_key: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form that most services take."""
    return [{"Key": key, "Value": value} for key, value in by_key.items()]


def bucket(config: Config, account_id: str) -> str:
    """The configured bucket, or one for the account and region.

    Bucket names are global: all accounts share one namespace.
    """
    if config.bucket:
        return config.bucket
    suffix = f"-{account_id}-{config.region}"
    return _with_suffix(config.name, suffix, longest=63).lower()


def role(config: Config) -> str:
    """The configured role's name, which is the last part of an ARN, or one for the
    region.

    Role names are shared by all regions of an account.
    """
    if config.role:
        return config.role.rpartition("/")[2]
    return _with_suffix(config.name, f"-{config.region}", longest=64)


def repository(config: Config) -> str:
    """The configured ECR repository, or the project's name."""
    return config.repository or image(config)


def image(config: Config) -> str:
    """The local image: the project's name in the form that docker and ECR take."""
    return fitted(config.name, 256).lower()


def endpoint(config: Config) -> str:
    """The configured endpoint, or the project's name."""
    return config.hosting_endpoint or fitted(config.name, NAME_LENGTH)


def package_group(config: Config) -> str:
    """The model package group, which has the project's name."""
    return fitted(config.name, NAME_LENGTH)


def search_term(config: Config) -> str:
    """The beginning of the project's name that all names of ours contain.

    Lists are narrowed by it.
    """
    return fitted(config.name, TUNING_NAME_LENGTH - _SUFFIX_LENGTH)


def is_of_work(config: Config, name: str) -> bool:
    """Whether only this project names its work so: its whole name, and a hash.

    A tuning job's training jobs have its name and more. False says nothing where the
    project's name was cut.
    """
    whole = re.escape(fitted(config.name, len(config.name)))
    hashed = rf"[0-9a-f]{{{_HASH_LENGTH}}}(-\d{{1,4}})?(-\d{{3}}-[0-9a-f]{{8}})?"
    return re.fullmatch(f"{whole}-{hashed}", name) is not None


def for_work(
    prefix: str, work: Any, attempt: int = 1, longest: int = NAME_LENGTH
) -> str:
    """The name of an attempt at some work: ``PREFIX-HASH``, then ``PREFIX-HASH-2``.

    Args:
        prefix: the name's beginning, cut if the whole would be too long.
        work: all that decides the result, as JSON values.
        attempt: counted from 1.
        longest: the most characters that the name may have.

    Raises:
        ConfigError: no character of the prefix can be used, or there are too many
            attempts.

    Example:
        >>> for_work("stars", {"eta": 0.1}, attempt=2)
        'stars-3b0c6c4f02-2'
    """
    if attempt > _MAX_ATTEMPTS:
        raise ConfigError(
            f"{prefix} has {_MAX_ATTEMPTS} attempts at the same work: "
            "set another `name`"
        )
    canonical = json.dumps(work, sort_keys=True)
    whole = fitted(prefix, len(prefix))
    cut = fitted(prefix, longest - _SUFFIX_LENGTH)
    # Two long names may be cut to the same beginning.
    told_apart = canonical if cut == whole else f"{whole} {canonical}"
    digest = hashlib.sha256(told_apart.encode()).hexdigest()[:_HASH_LENGTH]
    name = f"{cut}-{digest}"
    return name if attempt == 1 else f"{name}-{attempt}"


def _with_suffix(name: str, suffix: str, *, longest: int) -> str:
    """``name`` with a suffix that is never cut: it sets accounts and regions apart."""
    return fitted(name, longest - len(suffix)) + suffix


def fitted(name: str, longest: int) -> str:
    """``name`` in characters that every service takes, cut to ``longest`` of them.

    Other characters become dashes.

    Raises:
        ConfigError: nothing is left.

    Example:
        >>> fitted("My stars!", 63)
        'My-stars'
    """
    dashed = re.sub(r"[^a-zA-Z0-9]+", "-", name).strip("-")
    cut = dashed[:longest].rstrip("-")
    if not cut:
        raise ConfigError(
            f"name is {name!r}, expected letters and digits, with dashes between them"
        )
    return cut
