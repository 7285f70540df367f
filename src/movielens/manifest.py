"""``manifest.json``: what a model directory holds, with the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from movielens.errors import ArtifactError
from movielens.json_text import parse_json
from movielens.predictions import DECISIONS, Decision
from movielens.regular_files import read_regular
from movielens.signature import check_signature

# Raised whenever an older version could not read what this one writes, or the reverse.
SCHEMA_VERSION = 6
MANIFEST = "manifest.json"
ARCHIVE = "model.tar.gz"

# A manifest of 250 features has 10 kB.
_MOST_BYTES = 2**20
# Far beyond any model that a server could hold.
_MOST_FILE_BYTES = 2**32
_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_SHOWN = 200


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

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """The entry of these JSON values.

        Raises:
            KeyError: a member is missing.
            TypeError: this is no JSON object.
            ValueError: a member can't be what it says.
        """
        n_bytes = value["bytes"]
        sha256 = value["sha256"]
        is_size = type(n_bytes) is int and 0 <= n_bytes <= _MOST_FILE_BYTES
        if not is_size:
            raise ValueError(
                f"a file has {shown(n_bytes)} bytes, expected a whole number up to "
                f"{_MOST_FILE_BYTES}"
            )
        if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise ValueError(f"a SHA-256 is {shown(sha256)}")
        return cls(n_bytes, sha256)


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
    def read(
        cls, model_dir: Path, key: bytes | None = None, below: Path | None = None
    ) -> Self:
        """Read and check the manifest of a model directory.

        Args:
            model_dir: the directory.
            key: what the manifest must be signed with; None if it needn't be.
            below: as of `read_regular`.

        Raises:
            ArtifactError: there is none, it is broken or not signed, or it is of
                another schema version.
        """
        path = model_dir / MANIFEST
        try:
            data = read_regular(path, _MOST_BYTES, below)
        except FileNotFoundError:
            # Of a directory that may lead elsewhere by now, nothing more is said.
            found = "" if below is not None else f" ({_contents(model_dir)})"
            raise ArtifactError(
                f"no {MANIFEST} in {model_dir}{found}: "
                f"unpack the {ARCHIVE} of a training job there"
            ) from None
        except OSError as error:
            reason = error.strerror or error
            raise ArtifactError(f"can't read {path}: {reason}") from error

        # What isn't ours isn't even parsed.
        if key is not None:
            check_signature(model_dir, data, key, below)
        try:
            value = parse_json(data)
        except ValueError as error:
            raise ArtifactError(f"can't read {path}: {error}") from error

        schema = value.get("schema_version") if isinstance(value, dict) else None
        if schema != SCHEMA_VERSION:
            raise ArtifactError(
                f"{path} has schema version {shown(schema)}, this version reads "
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
            raise ValueError(
                f"decision is {shown(decision)}, expected one of {expected}"
            )

        kinds = {"class_values": int | float, "feature_names": str}
        lists = {name: value[name] for name in kinds}
        for name, found in lists.items():
            is_list = isinstance(found, list)
            if not is_list or not all(isinstance(each, kinds[name]) for each in found):
                raise ValueError(f"{name} is {shown(found)}, expected a list")

        files = {}
        for name, entry in value["files"].items():
            files[name] = FileEntry.parse(entry)
        return cls(**lists, decision=decision, files=files)


def sha256_of(data: bytes) -> str:
    """The SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def shown(value: object) -> str:
    """A value from a file as messages show it, cut if it is long."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _contents(model_dir: Path) -> str:
    """What is there instead of a manifest; no names but our own are told."""
    if not model_dir.is_dir():
        return "no such directory"
    if (model_dir / ARCHIVE).exists():
        return f"it has a {ARCHIVE}"
    is_empty = next(model_dir.iterdir(), None) is None
    return "empty" if is_empty else "it has other files"
