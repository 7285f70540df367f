"""One running stack: where it listens, and its secrets, kept in ``stack.json`` of its
directory.

The directory holds all that the stack writes to disk; `launcher.local.stack.down`
removes it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from launcher.local.errors import LocalError
from launcher.ports import LOOPBACK
from movielens.json_text import parse_json

# moto's own account.
ACCOUNT = "123456789012"
FILE = "stack.json"
# Answers with the identity of the stack, and touches nothing.
HEALTH = "/_local/health"


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


@dataclass(frozen=True, slots=True)
class StackSettings:
    """A stack.

    Attributes:
        directory: its files.
        identity: value of the label ``org.halfstar.local`` of every container and
            network that it makes.
        port: of the services, on loopback.
        registry_port: of the image registry, on loopback.
        region: the AWS region that it claims to be in.
        access_key: of the account's administrator.
        secret_key: goes with it; signatures aren't verified.
        registry_password: of the registry's user ``AWS``.
        limits: the platform's limits.
        layers: the registry's files.
        enforces_iam: whether policies decide what other access keys may do.
    """

    directory: Path
    identity: str
    port: int
    registry_port: int
    region: str
    access_key: str
    secret_key: str
    registry_password: str
    limits: Limits
    layers: Path
    enforces_iam: bool = False

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
        document = {
            **dataclasses.asdict(self),
            "directory": str(self.directory),
            "layers": str(self.layers),
        }
        new = self.directory / f"{FILE}.new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(document, indent=2))
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
            return cls._parse(text)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise LocalError(
                f"{directory / FILE} is damaged ({error}): remove {directory}, and "
                "its containers by `docker ps --filter label=org.halfstar.local`"
            ) from error

    @classmethod
    def _parse(cls, text: bytes) -> Self:
        document = parse_json(text)
        converted = {
            "directory": Path(document["directory"]),
            "layers": Path(document["layers"]),
            "limits": Limits(**document["limits"]),
        }
        return cls(**document | converted)
