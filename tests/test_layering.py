"""Dependencies point one way: train -> movielens <- serve."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
MAY_IMPORT = {"movielens": {"movielens"}, "train": {"train", "movielens"}, "serve": {"serve", "movielens"}}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    for path in (SRC / package).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = {module.partition(".")[0] for module in modules} & {*MAY_IMPORT, "launcher", "container"}
            assert ours <= MAY_IMPORT[package], f"{path.name} imports {ours}"
