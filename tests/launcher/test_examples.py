"""The examples in the launcher's docstrings are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from launcher import (
    kinds,
    logs,
    names,
    options,
    permissions,
    queries,
    s3_uri,
    tables,
    terminal,
)


@pytest.mark.parametrize(
    "module",
    [kinds, logs, names, options, permissions, queries, s3_uri, tables, terminal],
)
def test_the_examples_of_a_module_are_true(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
