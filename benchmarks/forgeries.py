"""Models that nobody has trained, made of a good one.

Each forgery changes a copy of a model. Where it changes a file that the manifest names,
the manifest vouches for it: hashes protect against damage and not against intent.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movielens import artifact, ubjson
from movielens.manifest import MANIFEST

BOOSTER = artifact.BOOSTER
MOST_FLIPS = 16


@dataclass(frozen=True, slots=True)
class Forgery:
    """A way to forge a model.

    Attributes:
        name: what it is.
        forge: changes a copy of a model.
        may_pass: whether the result may be a model all the same, because the changed
            bytes say nothing that matters.
    """

    name: str
    forge: Callable[[random.Random, Path], None]
    may_pass: bool = False


def replace(model_dir: Path, name: str, content: bytes) -> None:
    """Replace a file, and have the manifest vouch for it."""
    (model_dir / name).write_bytes(content)
    manifest = json.loads((model_dir / MANIFEST).read_bytes())
    manifest["files"][name] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (model_dir / MANIFEST).write_bytes(artifact.to_json(manifest))


def flip_bytes(name: str) -> Callable[[random.Random, Path], None]:
    """Change a few bytes of a file."""

    def forge(rng: random.Random, model_dir: Path) -> None:
        content = bytearray((model_dir / name).read_bytes())
        for _ in range(rng.randint(1, MOST_FLIPS)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        replace(model_dir, name, bytes(content))

    return forge


def change_tree(rng: random.Random, model_dir: Path) -> None:
    """Change a number of a tree that says how nodes hang together."""
    booster: dict[str, Any] = ubjson.loads((model_dir / BOOSTER).read_bytes())
    trees = booster["learner"]["gradient_booster"]["model"]["trees"]
    tree = rng.choice([tree for tree in trees if len(tree["parents"]) > 1])
    field = rng.choice(["left_children", "right_children", "parents", "split_indices"])
    tree[field] = tree[field].copy()
    node = rng.randrange(len(tree[field]))
    tree[field][node] = rng.choice([0, 1, -2, 10**6, 10**9, 2**31 - 1])
    replace(model_dir, BOOSTER, ubjson.dumps(booster))


def cut(rng: random.Random, model_dir: Path) -> None:
    """Cut a file, and have the manifest vouch for the rest."""
    name = rng.choice([BOOSTER, artifact.FEATURES, artifact.SELF_TEST])
    content = (model_dir / name).read_bytes()
    replace(model_dir, name, content[: rng.randrange(len(content))])


def archive_of_nothing(_rng: random.Random, model_dir: Path) -> None:
    """An array of nothing whose shape is endless."""
    header = b"{'descr': '|V0', 'fortran_order': False, 'shape': (1099511627776,), }"
    padded = header.ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("user_id.npy", array)
    replace(model_dir, artifact.FEATURES, buffer.getvalue())


def packed_archive(_rng: random.Random, model_dir: Path) -> None:
    """An archive that unpacks to a thousand times its size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user_id.npy", bytes(2**26))
    replace(model_dir, artifact.SELF_TEST, buffer.getvalue())


def pipe(rng: random.Random, model_dir: Path) -> None:
    """A pipe that nobody writes to, in the place of a file."""
    name = rng.choice([MANIFEST, BOOSTER, artifact.FEATURES])
    (model_dir / name).unlink()
    os.mkfifo(model_dir / name)


def link(rng: random.Random, model_dir: Path) -> None:
    """A link that leads out of the models' directory."""
    name = rng.choice([MANIFEST, BOOSTER])
    (model_dir / name).unlink()
    (model_dir / name).symlink_to("/etc/passwd")


def brackets(_rng: random.Random, model_dir: Path) -> None:
    """A manifest of nothing but brackets."""
    (model_dir / MANIFEST).write_text("[" * 200_000)


def no_files(_rng: random.Random, model_dir: Path) -> None:
    """An empty directory."""
    for file in model_dir.iterdir():
        file.unlink()


FORGERIES = (
    Forgery("bytes of the booster", flip_bytes(BOOSTER), may_pass=True),
    Forgery("a node of the booster", change_tree, may_pass=True),
    Forgery("bytes of the flat form", flip_bytes(artifact.FOREST)),
    Forgery("bytes of the features", flip_bytes(artifact.FEATURES), may_pass=True),
    Forgery("bytes of the self-test", flip_bytes(artifact.SELF_TEST), may_pass=True),
    Forgery("a file cut short", cut),
    Forgery("an endless array of nothing", archive_of_nothing),
    Forgery("a packed archive", packed_archive),
    Forgery("a pipe", pipe),
    Forgery("a link out", link),
    Forgery("a manifest of brackets", brackets),
    Forgery("an empty directory", no_files),
)
