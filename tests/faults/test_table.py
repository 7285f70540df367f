"""The table of faults in the docs, and the tests that it names."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path

import pytest

from tests.faults.table import ROOT, TABLES, Row, with_tables

DOCS = ROOT / "docs" / "faults.md"
ROWS = tuple(chain.from_iterable(TABLES.values()))


def names_of_tests(module: Path) -> set[str]:
    """The names of a module's tests."""
    statements = ast.parse(module.read_text()).body
    return {
        each.name
        for each in statements
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    }


def test_the_docs_have_the_tables_of_the_code() -> None:
    text = DOCS.read_text()
    assert text == with_tables(text), (
        "a table in docs/faults.md is out of date: run `make specification`"
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_test_of_a_fault_exists(row: Row) -> None:
    assert row.name in names_of_tests(ROOT / row.module)


def test_each_test_of_a_fault_is_in_the_table() -> None:
    modules = set(Path(__file__).parent.glob("test_*.py")) - {Path(__file__)}
    written = {name for module in modules for name in names_of_tests(module)}
    assert written
    assert written <= {row.name for row in ROWS}
