"""Dependencies point one way, and never in a circle.

train -> movielens <- serve. The launcher knows only what reads MovieLens, JSON and
archives, what prints or draws an evaluation, and the words for features. Imports inside
functions and under ``TYPE_CHECKING`` count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Where each package is, below the root.
FOLDERS = {
    "movielens": "src",
    "train": "src",
    "serve": "src",
    "launcher": ".",
}
MAY_IMPORT = {
    "movielens": {"movielens"},
    "train": {"train", "movielens"},
    "serve": {"serve", "movielens"},
    "launcher": {"launcher", "movielens"},
}
LAUNCHER_MAY_READ = {
    "movielens.bad_rows",
    "movielens.channel",
    "movielens.columns",
    "movielens.errors",
    "movielens.evaluation",
    "movielens.feature_words",
    "movielens.grammar",
    "movielens.json_text",
    "movielens.packed_files",
    "movielens.pages.charts",
    "movielens.pages.document",
    "movielens.pages.markup",
    "movielens.pages.tables",
    "movielens.readers",
    "movielens.regular_files",
    "movielens.report_numbers",
}
OURS = {*FOLDERS, "container", "benchmarks", "tools", "tests"}


@cache
def modules_of(package: str) -> dict[str, Path]:
    """The file of each module of a package, by the module's full name.

    A module in C has the file with its types.
    """
    root = ROOT / FOLDERS[package]
    modules = {}
    for path in sorted((root / package).rglob("*.py*")):
        if path.suffix not in (".py", ".pyi"):
            continue
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        modules[".".join(parts)] = path
    return modules


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Each import of a file, as the module and the name taken from it.

    ``import a.b`` gives ``("a.b", "")``; ``from a import b`` gives ``("a", "b")``.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import; write the full name"
            assert node.module is not None
            for alias in node.names:
                yield node.module, alias.name


def import_graph(package: str) -> dict[str, set[str]]:
    """The modules of the same package that each module imports."""
    modules = modules_of(package)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for source, name in imports_of(path):
            # `from package import module` needs the module, not the package's names.
            submodule = f"{source}.{name}"
            imported = submodule if submodule in modules else source
            if imported in modules:
                graph[module].add(imported)
    return graph


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    modules = modules_of(package)
    assert modules
    for module, path in modules.items():
        for source, _ in imports_of(path):
            top = source.partition(".")[0]
            assert top not in OURS or top in MAY_IMPORT[package], (
                f"{module} imports {source}, "
                f"but {package} may only import {sorted(MAY_IMPORT[package])}"
            )


def test_the_launcher_knows_only_readers_and_the_evaluation() -> None:
    for module, path in modules_of("launcher").items():
        for source, name in imports_of(path):
            if source == "movielens":
                source = f"{source}.{name}"
            assert not source.startswith("movielens") or source in LAUNCHER_MAY_READ, (
                f"{module} imports {source}, "
                f"but the launcher may only import {sorted(LAUNCHER_MAY_READ)}"
            )


@pytest.mark.parametrize("package", FOLDERS)
def test_no_module_imports_itself_through_others(package: str) -> None:
    graph = import_graph(package)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # graphlib lists a circle from imported to importer.
        circle = " imports ".join(reversed(error.args[1]))
        pytest.fail(
            f"import circle: {circle}. Move what both need into a module of its own."
        )
