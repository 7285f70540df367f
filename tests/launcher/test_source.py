from __future__ import annotations

from pathlib import Path

import pytest

from launcher.source import UNKNOWN, build_arguments, version

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_version_is_the_projects(tmp_path: Path, encoding: str) -> None:
    project = '[project]\nversion = "1.2.3"\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding=encoding)
    assert version(tmp_path) == "1.2.3"


@pytest.mark.parametrize(
    "content",
    [b"", b"project = 5", b"[project", '[project]\nversion = "1"'.encode("utf-16")],
)
def test_a_file_that_says_no_version_is_no_error(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    assert version(tmp_path) == UNKNOWN


def test_an_image_has_the_time_of_its_commit() -> None:
    arguments = build_arguments(ROOT, {})
    assert int(arguments["SOURCE_DATE_EPOCH"]) > 1_700_000_000
    assert arguments["CREATED"].startswith("20")


def test_the_environment_can_set_the_time_of_a_build(tmp_path: Path) -> None:
    arguments = build_arguments(tmp_path, {"SOURCE_DATE_EPOCH": "86400"})
    assert arguments["SOURCE_DATE_EPOCH"] == "86400"
    assert arguments["CREATED"] == "1970-01-02T00:00:00Z"


@pytest.mark.parametrize("environ", [{}, {"SOURCE_DATE_EPOCH": "yesterday"}])
def test_outside_a_repository_a_build_has_the_dockerfiles_time(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    arguments = build_arguments(tmp_path, environ)
    assert arguments == {"VERSION": UNKNOWN, "REVISION": UNKNOWN}
