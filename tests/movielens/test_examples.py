"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import movielens

ROOT = Path(__file__).parent.parent.parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(movielens.__path__, prefix="movielens.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Examples read data/ml-latest-small.
    monkeypatch.chdir(ROOT)
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0
