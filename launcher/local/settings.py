"""One running stack: where it listens, its secrets, and its processes, kept in
``stack.json`` of its directory.

The directory holds all that the stack writes to disk; `launcher.local.stack.down`
removes it.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from launcher.local.errors import LocalError

# moto's own account.
from launcher.ports import LOOPBACK

ACCOUNT = "123456789012"
_FILE = "stack.json"


@dataclass(frozen=True, slots=True)
class Process:
    """A process of ours: a number alone may belong to another by now, so its start
    counts too.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has the number now."""
        return cls(pid, _start_of(pid))

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return bool(self.started) and _start_of(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class Limits:
    """What the platform bounds; a test shortens what takes minutes there.

    Attributes:
        stop_seconds: from SIGTERM to SIGKILL of a training job.
        hosting_stop_seconds: the same of an endpoint's container.
        health_seconds: within which ``/ping`` must answer 200.
        invocation_seconds: for one answer of an endpoint.
        body_bytes: longest body of a real-time request.
        serverless_body_bytes: the same of a serverless endpoint.
    """

    stop_seconds: float = 120.0
    hosting_stop_seconds: float = 30.0
    health_seconds: float = 240.0
    invocation_seconds: float = 60.0
    body_bytes: int = 6 * 2**20
    serverless_body_bytes: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """A stack.

    Attributes:
        directory: its files.
        identity: value of the label ``org.halfstar.local`` of every container and
            network that it makes.
        port: of the services, on loopback.
        registry_port: of the image registry, on loopback.
        region: where it says that it is.
        access_key: the one access key that it takes.
        secret_key: goes with it; moto doesn't verify signatures.
        registry_password: of the registry's user ``AWS``.
        limits: what the platform bounds.
        layers: the registry's files.
        processes: the services' and the registry's.
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
    processes: tuple[Process, ...] = ()

    @property
    def endpoint_url(self) -> str:
        """Where all services answer."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def registry(self) -> str:
        """The registry's host and port."""
        return f"{LOOPBACK}:{self.registry_port}"

    @property
    def ecr_host(self) -> str:
        """The name that the registry would have on AWS."""
        return f"{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com"

    @property
    def label(self) -> str:
        """By which all that the stack makes in Docker is found."""
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
        path = self.directory / _FILE
        text = json.dumps(
            {
                **dataclasses.asdict(self),
                "directory": str(self.directory),
                "layers": str(self.layers),
            },
            indent=2,
        )
        path.touch(mode=0o600)
        path.write_text(text)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read it.

        Raises:
            LocalError: if there is no stack.
        """
        try:
            value = json.loads((directory / _FILE).read_bytes())
        except FileNotFoundError as error:
            raise LocalError(
                f"nothing is up in {directory}: run `launcher local up`"
            ) from error
        value["directory"], value["layers"] = (
            Path(value["directory"]),
            Path(value["layers"]),
        )
        value["limits"] = Limits(**value["limits"])
        value["processes"] = tuple(Process(**process) for process in value["processes"])
        return cls(**value)


def _start_of(pid: int) -> str:
    """When a process was started, in the system's own words; empty if there is none or
    it is a zombie.
    """
    try:
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        )
    except FileNotFoundError:
        if Path("/proc/self").exists():  # Linux, and no such process
            return ""
    except ProcessLookupError:
        return ""
    else:
        return "" if state == "Z" else fields[18]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip()
