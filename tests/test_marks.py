"""The names that `tests.marks` goes by are still in use, so that no mark gets lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.marks import (
    DOCKER_FIXTURES,
    DOCKER_MODULES,
    ROOT,
    SANITIZER_WORDS,
    SLOW_MODULES,
)

TESTS = ROOT / "tests"


@pytest.mark.parametrize("folder", DOCKER_FIXTURES)
def test_every_fixture_that_marks_a_test_as_docker_exists(folder: str) -> None:
    sources = [path.read_text() for path in (ROOT / folder).glob("*.py")]
    for fixture in DOCKER_FIXTURES[folder]:
        assert any(f"\ndef {fixture}(" in source for source in sources), (
            f"tests.marks names the fixture {fixture} of {folder}, which isn't there: "
            "if it was renamed, rename it in tests/marks.py too"
        )


@pytest.mark.parametrize("module", sorted(DOCKER_MODULES | SLOW_MODULES))
def test_every_module_that_is_marked_by_name_exists(module: str) -> None:
    assert list(TESTS.glob(f"**/{module}")), (
        f"tests.marks names {module}, which isn't there: "
        "if it was renamed, rename it in tests/marks.py too"
    )


def test_every_module_that_compiles_with_sanitizers_names_its_tests_so() -> None:
    for path in TESTS.rglob("test_*.py"):
        source = path.read_text()
        if path != Path(__file__) and "-fsanitize=" in source:
            names = " ".join(re.findall(r"^def (test_\w*)", source, re.MULTILINE))
            assert any(word in names for word in SANITIZER_WORDS), (
                f"{path} has no test with one of {SANITIZER_WORDS} in its name, by "
                "which tests.marks would know it"
            )
