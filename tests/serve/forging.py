"""Models that nobody has trained, with a manifest that vouches for them."""

from __future__ import annotations

import hashlib
import json
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


def change_tree(model_dir: Path, field: str, node: int, value: int) -> None:
    """Change a number of the first tree in ``booster.ubj`` that has a split."""
    booster: dict[str, Any] = ubjson.loads((model_dir / "booster.ubj").read_bytes())
    trees = booster["learner"]["gradient_booster"]["model"]["trees"]
    tree = next(tree for tree in trees if len(tree[field]) > 1)
    tree[field] = tree[field].copy()
    tree[field][node] = value
    resave(model_dir, "booster.ubj", ubjson.dumps(booster))


def make_crashing(model_dir: Path) -> None:
    """XGBoost 3.2 follows this number out of its memory when it reads the booster."""
    change_tree(model_dir, "parents", node=1, value=10**9)
