"""One running stack: where it listens, and its secrets, kept in ``stack.json`` of its
directory.

The directory holds all that the stack writes to disk; `launcher.local.stack.down`
removes it.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from launcher.local.errors import LocalError
from launcher.ports import LOOPBACK, free_port
from movielens.json_text import parse_json

# moto's own account.
ACCOUNT = "123456789012"
FILE = "stack.json"
# Answers with the identity of the stack, and touches nothing.
HEALTH = "/_local/health"
# Programs read one or the other.
_NO_PROXY = ("NO_PROXY", "no_proxy")
_EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class Limits:
    """The platform's limits; tests shorten those that take minutes.

    Attributes:
        stop_seconds: from SIGTERM to SIGKILL of a training job.
        hosting_stop_seconds: the same for an endpoint's container.
        health_seconds: within which ``/ping`` must answer 200.
        invocation_seconds: for one reply of an endpoint.
        scaling_seconds: from one look of autoscaling at its targets to the next.
        body_bytes: longest body of a real-time request.
        serverless_body_bytes: the same for a serverless endpoint.
    """

    stop_seconds: float = 120.0
    hosting_stop_seconds: float = 30.0
    health_seconds: float = 240.0
    invocation_seconds: float = 60.0
    scaling_seconds: float = 60.0
    body_bytes: int = 6 * 2**20
    serverless_body_bytes: int = 4_000_000


def no_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that let programs reach loopback past a proxy.

    What they say already stays in force.

    Example:
        >>> no_proxy({"no_proxy": "intra.net"})["NO_PROXY"]
        'intra.net,127.0.0.1,localhost'
    """
    given = ",".join(environment.get(variable, "") for variable in _NO_PROXY)
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if _EVERYWHERE in hosts:
        hosts = [_EVERYWHERE]  # it means nothing beside others
    else:
        hosts += [LOOPBACK, "localhost"]
    value = ",".join(dict.fromkeys(hosts))
    return dict.fromkeys(_NO_PROXY, value)


def _new_access_key() -> str:
    return f"AKIALOCAL{secrets.token_hex(6).upper()[:11]}"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """A stack.

    Attributes:
        directory: its files.
        region: the AWS region that it claims to be in.
        enforces_iam: whether policies decide what other access keys may do.
        layers: the registry's files, if they are to outlive the stack.
        limits: the platform's limits.
        port: of the services, on loopback.
        registry_port: of the image registry, on loopback.
        identity: value of the label ``org.halfstar.local`` of every container and
            network that it makes.
        access_key: of the account's administrator.
        secret_key: goes with it; signatures aren't verified.
        registry_password: of the registry's user ``AWS``.
    """

    directory: Path
    region: str = "us-east-1"
    enforces_iam: bool = False
    layers: Path | None = None
    limits: Limits = Limits()
    port: int = field(default_factory=free_port)
    registry_port: int = field(default_factory=free_port)
    identity: str = field(default_factory=partial(secrets.token_hex, 4))
    access_key: str = field(default_factory=_new_access_key)
    secret_key: str = field(default_factory=partial(secrets.token_urlsafe, 30))
    registry_password: str = field(default_factory=partial(secrets.token_urlsafe, 30))

    @property
    def layers_directory(self) -> Path:
        """The registry's files."""
        return self.layers or self.directory / "registry"

    @property
    def endpoint_url(self) -> str:
        """Where all services answer."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def registry(self) -> str:
        """The registry's host and port."""
        return f"{LOOPBACK}:{self.registry_port}"

    def ecr_host(self, region: str) -> str:
        """The name that the registry would have on AWS, in a region."""
        return f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"

    @property
    def work(self) -> Path:
        """The files of the region's jobs and endpoints."""
        return self.directory / "work" / self.region

    @property
    def label(self) -> str:
        """Docker's label for everything that the stack makes there."""
        return f"org.halfstar.local={self.identity}"

    def environment(self) -> dict[str, str]:
        """What the AWS SDKs and the launcher need to use the stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "HALFSTAR_REGISTRY": self.registry,
        }

    def save(self) -> None:
        """Write ``stack.json``, which only its owner may read."""
        document = dataclasses.asdict(self)
        new = self.directory / f"{FILE}.new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(document, indent=2, default=str))
        new.replace(self.directory / FILE)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read it.

        Raises:
            LocalError: if there is no stack.
        """
        try:
            text = (directory / FILE).read_bytes()
        except FileNotFoundError as error:
            raise LocalError(
                f"nothing is up in {directory}: run `launcher local up`"
            ) from error
        try:
            found = parse_json(text)
            for name in ("directory", "layers"):
                found[name] = Path(found[name]) if found[name] else None
            return cls(**{**found, "limits": Limits(**found["limits"])})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise LocalError(
                f"{directory / FILE} is damaged ({error}): remove {directory}, and "
                "its containers by `docker ps --filter label=org.halfstar.local`"
            ) from error
