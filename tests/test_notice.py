"""NOTICE names what others have written, and the citation has our version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def names_in(pattern: str, path: Path) -> set[str]:
    """What the pattern's group finds at the beginnings of lines."""
    return set(re.findall(pattern, path.read_text(), re.MULTILINE))


def test_it_names_every_python_package_of_the_image() -> None:
    locked = names_in(r"^([\w.-]+)==", ROOT / "container" / "requirements.txt")
    named = names_in(r"^  ([a-z0-9-]+) {2,}\S", ROOT / "NOTICE")
    assert named >= locked
    assert named - locked == set()


def test_what_it_names_is_there() -> None:
    for path in names_in(r"^  (\S+/\S+) ", ROOT / "NOTICE"):
        assert (ROOT / path).exists(), path
    assert (ROOT / "data" / "ml-latest-small" / "LICENSE.txt").exists()


def test_the_citation_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (cited,) = names_in(r"^version: (.*)$", ROOT / "CITATION.cff")
    assert cited == project["version"]
