"""``manifest.json``: what a model directory holds, with the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from movielens.errors import ArtifactError
from movielens.predictions import DECISIONS, Decision

# Raised whenever an older version could not read what this one writes, or the reverse.
SCHEMA_VERSION = 3
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the manifest says about one file.

    Attributes:
        n_bytes: its size.
        sha256: its digest, hexadecimal.
    """

    n_bytes: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The entry for a file with this content."""
        return cls(len(data), sha256_of(data))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest, but for its schema version.

    Attributes:
        class_values: stars of each class, rising.
        decision: how the model chooses a class.
        feature_names: the columns that the boosters were trained on, in order.
        files: the other files of the model directory, by name.
        training: counts of what the model was trained on, by name; for people.
        versions: of the libraries that the model was made with; for people.
    """

    class_values: list[float]
    decision: Decision
    feature_names: list[str]
    files: dict[str, FileEntry]
    training: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.n_bytes for entry in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values, with the schema version."""
        files = {
            name: {"bytes": entry.n_bytes, "sha256": entry.sha256}
            for name, entry in self.files.items()
        }
        return {"schema_version": SCHEMA_VERSION, **asdict(self), "files": files}

    @classmethod
    def read(cls, model_dir: Path) -> Self:
        """Read and check the manifest of a model directory.

        Raises:
            ArtifactError: there is none, it is broken, or it is of another schema
                version.
        """
        path = model_dir / MANIFEST
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise ArtifactError(
                f"no {MANIFEST} in {model_dir} ({_listing(model_dir)}): "
                "unpack the model.tar.gz of a training job there"
            ) from None
        except (OSError, ValueError) as error:
            raise ArtifactError(f"can't read {path}: {error}") from error

        schema = value.get("schema_version") if isinstance(value, dict) else None
        if schema != SCHEMA_VERSION:
            raise ArtifactError(
                f"{path} has schema version {schema}, this version reads "
                f"{SCHEMA_VERSION}: train again with this version"
            )
        try:
            return cls._parse(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{path} is damaged ({error}): copy the whole artifact again"
            ) from error

    @classmethod
    def _parse(cls, value: Mapping[str, Any]) -> Self:
        decision = value["decision"]
        if decision not in DECISIONS:
            expected = ", ".join(DECISIONS)
            raise ValueError(f"decision is {decision!r}, expected one of {expected}")

        lists = {name: value[name] for name in ("class_values", "feature_names")}
        for name, found in lists.items():
            if not isinstance(found, list):
                raise ValueError(f"{name} is {found!r}, expected a list")

        files = {}
        for name, entry in value["files"].items():
            files[name] = FileEntry(int(entry["bytes"]), entry["sha256"])
        return cls(**lists, decision=decision, files=files)


def sha256_of(data: bytes | mmap.mmap) -> str:
    """The SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _listing(model_dir: Path) -> str:
    if not model_dir.is_dir():
        return "no such directory"
    names = sorted(path.name for path in model_dir.iterdir())
    return ", ".join(names) or "empty"
