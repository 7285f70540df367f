"""Dependencies point one way: train -> movielens <- serve; the launcher knows
movielens' reader alone.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "movielens": "src/movielens",
    "train": "src/train",
    "serve": "src/serve",
    "launcher": "launcher",
}
MAY_IMPORT = {
    "movielens": {"movielens"},
    "train": {"train", "movielens"},
    "serve": {"serve", "movielens"},
    "launcher": {"launcher", "movielens"},
}
LAUNCHER_READS = {
    "movielens.bad_rows",
    "movielens.channel",
    "movielens.errors",
    "movielens.evaluation",
    "movielens.readers",
}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    paths = list((ROOT / FOLDERS[package]).rglob("*.py"))
    assert paths
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = {module.partition(".")[0] for module in modules} & {
                *MAY_IMPORT,
                "container",
                "benchmarks",
            }
            assert ours <= MAY_IMPORT[package], f"{path.name} imports {ours}"
            if package == "launcher":
                assert {
                    module for module in modules if module.startswith("movielens")
                } <= LAUNCHER_READS, path
