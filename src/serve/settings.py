"""What the environment says, read once at start, every fault in it reported together.

The names that begin with ``SAGEMAKER_`` are the platform's. In batch transform the
platform sends bodies up to its own limit, so that limit replaces ours there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from movielens.errors import HalfstarError
from serve.resources import MIB, cpus

# SageMaker's own bound for a batch payload, which is what 0, "no limit", comes to.
BATCH_LIMIT_MIB = 100
# Asynchronous endpoints take up to 1 GB.
MOST_MIB = 1024

_FLAGS = ("false", "true")
_STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")


class SettingsError(HalfstarError):
    """Environment variables that can't be used; the message lists all of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve.

    Attributes:
        model_dir: where the artifact lies.
        port: TCP port, 1 to 65535.
        is_batch: whether this is a batch transform job.
        max_body_mib: the longest body taken, in MiB.
        max_concurrent: bodies worked on at once by a worker, beside the short ones.
        batch_strategy: ``MULTI_RECORD`` or ``SINGLE_RECORD``.
        workers: processes that answer, 0 for as many as the machine carries.
        is_multi_model: whether models are loaded by request.
        models_mib: memory for such models in MiB, 0 for half of what there is.
    """

    model_dir: Path
    port: int = 8080
    is_batch: bool = False
    max_body_mib: int = 6
    max_concurrent: int = 1
    batch_strategy: str = "MULTI_RECORD"
    workers: int = 0
    is_multi_model: bool = False
    models_mib: int = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of long bodies that a worker holds at once."""
        return max(64 * MIB, 2 * self.max_body_bytes)

    @property
    def max_body_bytes(self) -> int:
        """The longest body taken, in bytes."""
        return self.max_body_mib * MIB

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as absent.

        Raises:
            SettingsError: naming every variable that can't be used.
        """
        reader = _Reader(env)
        is_batch = reader.choice("SAGEMAKER_BATCH", _FLAGS) == "true"
        max_body_mib = reader.whole(
            "HALFSTAR_MAX_BODY_MIB", default=6, least=1, most=MOST_MIB
        )
        payload_mib = reader.whole(
            "SAGEMAKER_MAX_PAYLOAD_IN_MB", default=max_body_mib, least=0, most=MOST_MIB
        )
        settings = cls(
            model_dir=Path(env.get("SAGEMAKER_BASE_DIR") or "/opt/ml") / "model",
            port=reader.whole(
                "SAGEMAKER_BIND_TO_PORT", default=8080, least=1, most=65535
            ),
            is_batch=is_batch,
            max_body_mib=(payload_mib or BATCH_LIMIT_MIB) if is_batch else max_body_mib,
            max_concurrent=reader.whole(
                "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", default=0, least=0, most=1000
            )
            or cpus(),
            batch_strategy=reader.choice("SAGEMAKER_BATCH_STRATEGY", _STRATEGIES),
            workers=reader.whole("HALFSTAR_WORKERS", default=0, least=0, most=256),
            is_multi_model=reader.choice("SAGEMAKER_MULTI_MODEL", _FLAGS) == "true",
            models_mib=reader.whole(
                "HALFSTAR_MODELS_MIB", default=0, least=0, most=2**24
            ),
        )
        if reader.faults:
            raise SettingsError("; ".join(reader.faults))
        return settings


class _Reader:
    """Reads variables one by one and keeps their faults, giving the default in a bad
    one's stead.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[str] = []

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within the bounds, both included."""
        text = self.env.get(name, "").strip()
        if not text:
            return default
        value = (
            int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        )
        if least <= value <= most:
            return value
        self.faults.append(
            f"{name} is {text!r}, expected a whole number from {least} to {most}"
        )
        return default

    def choice(self, name: str, values: tuple[str, ...]) -> str:
        """One of the values in any case; the first is the default."""
        text = self.env.get(name, "").strip()
        for value in values:
            if text.lower() == value.lower():
                return value
        if text:
            self.faults.append(f"{name} is {text!r}, expected {' or '.join(values)}")
        return values[0]
