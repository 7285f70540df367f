"""What the environment says about serving, read once at the start.

All faults are reported together. Names that begin with ``SAGEMAKER_`` are the
platform's. In batch transform the platform has a limit of its own on bodies, which
replaces ours there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from movielens.errors import HalfstarError
from movielens.machine import cpus
from serve.limits import ClientLimits
from serve.privileges import User
from serve.resources import MIB

MULTI_RECORD = "MULTI_RECORD"
SINGLE_RECORD = "SINGLE_RECORD"

# SageMaker's bound for a batch payload. It holds where the platform says 0, "no limit".
BATCH_LIMIT_MIB = 100
# Asynchronous endpoints take up to 1 GB.
_MOST_BODY_MIB = 1024
_DEFAULT_BODY_MIB = 6
# Real-time endpoints take up to 25 MB.
_REAL_TIME_MIB = 25
_LEAST_HELD_BYTES = 64 * MIB

# Root itself is no user to become, and 2**32 - 1 means no user.
_USER = re.compile(r"(?P<uid>[1-9][0-9]{0,8}):(?P<gid>[1-9][0-9]{0,8})", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII | re.IGNORECASE)

_FLAGS = ("false", "true")
_STRATEGIES = (MULTI_RECORD, SINGLE_RECORD)


class SettingsError(HalfstarError):
    """Environment variables that can't be used; the message lists all of them."""


@dataclass(frozen=True, slots=True)
class OperationsSettings:
    """What is said of the requests, and where. By default nothing is.

    Attributes:
        metrics_port: TCP port of ``/metrics``; 0 for none.
        request_log: whether each request is written to stdout.
        emf_s: seconds from one line of metrics for CloudWatch to the next; 0 for none.
        endpoint: the name under which CloudWatch has them.
    """

    metrics_port: int = 0
    request_log: bool = False
    emf_s: int = 0
    endpoint: str = "halfstar"

    @property
    def is_exported(self) -> bool:
        """Whether there are metrics."""
        return self.metrics_port > 0 or self.emf_s > 0

    @property
    def is_observed(self) -> bool:
        """Whether requests are counted or logged."""
        return self.request_log or self.is_exported


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How to serve.

    Attributes:
        model_dir: where the artifact is.
        port: TCP port, 1 to 65535.
        is_batch: whether this is a batch transform job.
        max_body_mib: the longest body, in MiB.
        max_concurrent: long bodies that a worker works on at once.
        batch_strategy: ``MULTI_RECORD`` or ``SINGLE_RECORD``.
        workers: processes that answer; 0 for as many as the machine carries.
        is_multi_model: whether models are loaded by request.
        models_mib: memory for such models, in MiB; 0 for half of what there is.
        client_limits: on what a client may do.
        user: whom a server of one model becomes if it is started as root.
        operations: what is said of the requests.
    """

    model_dir: Path
    port: int = 8080
    is_batch: bool = False
    max_body_mib: int = _DEFAULT_BODY_MIB
    max_concurrent: int = 1
    batch_strategy: str = MULTI_RECORD
    workers: int = 0
    is_multi_model: bool = False
    models_mib: int = 0
    client_limits: ClientLimits = ClientLimits()
    user: User | None = None
    operations: OperationsSettings = OperationsSettings()

    @property
    def models_dir(self) -> Path:
        """Below it are the models that are loaded by request."""
        return self.model_dir.parent / "models"

    @property
    def max_body_bytes(self) -> int:
        """The longest body, in bytes."""
        return self.max_body_mib * MIB

    @property
    def held_bytes(self) -> int:
        """Bytes of requests that a worker holds at once."""
        return max(_LEAST_HELD_BYTES, 2 * self.max_body_bytes)

    @property
    def arrived_bytes(self) -> int:
        """Bytes of requests that the server holds at once, as they came.

        Where long bodies wait in line, the beginning of each has arrived already.
        """
        if self.is_for_platform:
            return self.held_bytes + _LEAST_HELD_BYTES
        return self.held_bytes

    @property
    def is_for_platform(self) -> bool:
        """Whether only the platform itself sends requests, for a job of its own.

        That is so in batch transform, and where bodies may be longer than those of a
        real-time endpoint.
        """
        return self.is_batch or self.max_body_mib > _REAL_TIME_MIB

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as absent.

        Raises:
            SettingsError: naming every variable that can't be used.
        """
        reader = _Reader(env)
        is_batch = reader.choice("SAGEMAKER_BATCH", _FLAGS) == "true"
        max_body_mib = reader.number(
            "HALFSTAR_MAX_BODY_MIB",
            default=_DEFAULT_BODY_MIB,
            least=1,
            most=_MOST_BODY_MIB,
        )
        payload_mib = reader.number(
            "SAGEMAKER_MAX_PAYLOAD_IN_MB",
            default=max_body_mib,
            least=0,
            most=_MOST_BODY_MIB,
        )
        if is_batch:
            max_body_mib = payload_mib or BATCH_LIMIT_MIB
        port = reader.number(
            "SAGEMAKER_BIND_TO_PORT", default=8080, least=1, most=65535
        )
        max_concurrent = reader.number(
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", default=0, least=0, most=1000
        )
        settings = cls(
            model_dir=Path(env.get("SAGEMAKER_BASE_DIR") or "/opt/ml") / "model",
            port=port,
            is_batch=is_batch,
            max_body_mib=max_body_mib,
            max_concurrent=max_concurrent or cpus(),
            batch_strategy=reader.choice("SAGEMAKER_BATCH_STRATEGY", _STRATEGIES),
            workers=reader.number("HALFSTAR_WORKERS", default=0, least=0, most=256),
            is_multi_model=reader.choice("SAGEMAKER_MULTI_MODEL", _FLAGS) == "true",
            models_mib=reader.number(
                "HALFSTAR_MODELS_MIB", default=0, least=0, most=2**24
            ),
            user=reader.user("HALFSTAR_SERVE_USER"),
            operations=_operations(reader, port),
        )
        if reader.faults:
            raise SettingsError("; ".join(reader.faults))
        return settings


def _operations(reader: _Reader, port: int) -> OperationsSettings:
    metrics_port = reader.number(
        "HALFSTAR_METRICS_PORT", default=0, least=0, most=65535
    )
    if metrics_port == port:
        reader.faults.append(
            f"HALFSTAR_METRICS_PORT is {port}, which is the port of the server; "
            "choose another"
        )
    return OperationsSettings(
        metrics_port=metrics_port,
        request_log=reader.choice("HALFSTAR_REQUEST_LOG", _FLAGS) == "true",
        emf_s=reader.number("HALFSTAR_EMF_SECONDS", default=0, least=0, most=3600),
        endpoint=reader.name("HALFSTAR_EMF_ENDPOINT", default="halfstar"),
    )


class _Reader:
    """Reads variables one by one.

    A bad one is noted in ``faults``, and its default is returned.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[str] = []

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within the bounds, both included."""
        text = self.env.get(name, "").strip()
        if not text:
            return default
        is_short_number = text.isascii() and text.isdecimal() and len(text) < 10
        if is_short_number and least <= int(text) <= most:
            return int(text)
        self.faults.append(
            f"{name} is {text!r}, expected a whole number from {least} to {most}"
        )
        return default

    def user(self, name: str) -> User | None:
        """A user and a group by number; None if there is none."""
        text = self.env.get(name, "").strip()
        if not text:
            return None
        match = _USER.fullmatch(text)
        if match is not None:
            return User(int(match["uid"]), int(match["gid"]))
        self.faults.append(
            f"{name} is {text!r}, expected a user and a group by number, like 1000:1000"
        )
        return None

    def name(self, name: str, default: str) -> str:
        """A name as SageMaker's endpoints have."""
        text = self.env.get(name, "").strip()
        if not text or _NAME.fullmatch(text):
            return text or default
        self.faults.append(
            f"{name} is {text!r}, expected up to 63 letters, digits and hyphens"
        )
        return default

    def choice(self, name: str, values: tuple[str, ...]) -> str:
        """One of the values, upper or lower case; the first is the default."""
        text = self.env.get(name, "").strip()
        for value in values:
            if text.lower() == value.lower():
                return value
        if text:
            self.faults.append(f"{name} is {text!r}, expected {' or '.join(values)}")
        return values[0]
