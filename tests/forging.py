"""Models and checkpoints that nobody has trained, with hashes that vouch for them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from movielens import artifact, ubjson


def resave(model_dir: Path, name: str, data: bytes) -> None:
    """Replace a file of an artifact and write its new hash into the manifest."""
    manifest = json.loads((model_dir / "manifest.json").read_bytes())
    manifest["files"][name] = {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (model_dir / name).write_bytes(data)
    (model_dir / "manifest.json").write_bytes(artifact.to_json(manifest))


def with_tree(booster: bytes, field: str, node: int, value: int) -> bytes:
    """The same UBJSON with another number in the first tree that has a split."""
    model: dict[str, Any] = ubjson.loads(booster)
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    tree = next(tree for tree in trees if len(tree[field]) > 1)
    tree[field] = tree[field].copy()
    tree[field][node] = value
    return ubjson.dumps(model)


def crashing(booster: bytes) -> bytes:
    """XGBoost 3.2 follows a number out of its memory when it reads this booster."""
    return with_tree(booster, "parents", node=1, value=10**9)


def change_tree(model_dir: Path, field: str, node: int, value: int) -> None:
    """Change a number of the first tree in ``booster.ubj`` that has a split."""
    booster = (model_dir / "booster.ubj").read_bytes()
    resave(model_dir, "booster.ubj", with_tree(booster, field, node, value))


def make_crashing(model_dir: Path, name: str = artifact.BOOSTER) -> None:
    """Replace a booster by one that ends the process which reads it."""
    resave(model_dir, name, crashing((model_dir / name).read_bytes()))


def forge_checkpoint(path: Path, forge: Callable[[bytes], bytes]) -> None:
    """Forge all boosters of a checkpoint; its check sums are right again."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            is_booster = name.endswith(".ubj")
            archive.writestr(name, forge(content) if is_booster else content)
