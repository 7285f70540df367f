from __future__ import annotations

from pathlib import Path

import pytest

from launcher.source import UNKNOWN, version


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
