"""Marks tests ``docker``, ``browser``, ``slow`` or ``sanitizer`` by their place and
fixtures.

pytest loads this as a plugin (``addopts`` in pyproject.toml). `make test-quick` runs
the tests that have none of these marks. A test that the rules below don't catch
gets its mark by hand: ``@pytest.mark.slow``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The fixtures that start a Docker engine's work, by the folder of their conftest.
DOCKER_FIXTURES = {
    "tests/container": {"image"},
    "tests/http": {"runner"},
    "tests/launcher": {"registry", "tiny_image"},
    "tests/launcher/local": {"settings", "enforcing"},
    "tests/sdk": {"image"},
}

# Modules that ask the engine without such a fixture, by the end of their path.
DOCKER_MODULES = {"test_doctor.py", "launcher/test_images.py"}

# Modules of whole jobs and servers, of jobs over several hosts, and of replayed inputs.
SLOW_MODULES = {
    "commands/test_company.py",
    "fuzz/test_targets.py",
    "local/test_stack.py",
    "operations/test_alerts.py",
    "operations/test_exporter.py",
    "serve/test_main.py",
    "train/test_booster.py",
    "train/test_checkpoint.py",
    "train/test_cluster.py",
    "train/test_main.py",
    "train/test_pipeline.py",
    "train/test_warm.py",
    "train/test_watch.py",
}

# Of a value in the name of a test.
LONGEST_ID = 100

# Words in the name of a test that runs a kernel under the sanitizers.
SANITIZER_WORDS = ("sanitizer", "hostile")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the marks that apply to it, and its group.

    `make test` runs each group in one process. Tests with Docker are one group, since
    they share an image. It takes longest and comes first. Otherwise a module is a
    group, since its tests share fixtures.
    """
    for item in items:
        group = item.path.stem
        if needs_docker(item):
            item.add_marker(pytest.mark.docker)
            group = "docker"
        item.add_marker(pytest.mark.xdist_group(group))
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
        if ends_with_any(item.path, SLOW_MODULES):
            item.add_marker(pytest.mark.slow)
        if any(word in item.name for word in SANITIZER_WORDS):
            item.add_marker(pytest.mark.sanitizer)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values by their argument.

    Zip files hold the time at which they were made, and all processes have to find the
    same tests.
    """
    is_long = isinstance(val, bytes | str) and len(val) > LONGEST_ID
    return argname if is_long else None


def needs_docker(item: pytest.Item) -> bool:
    """Whether the test's module or one of its fixtures uses Docker."""
    if ends_with_any(item.path, DOCKER_MODULES):
        return True
    fixtures = set(getattr(item, "fixturenames", ()))
    return any(
        item.path.is_relative_to(ROOT / folder) and not fixtures.isdisjoint(names)
        for folder, names in DOCKER_FIXTURES.items()
    )


def ends_with_any(path: Path, ends: set[str]) -> bool:
    """Whether a file is one of those that are given by the end of their path."""
    return any(path.match(end) for end in ends)
