"""Version and commit of the project's folder, which an image is tagged with."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

UNKNOWN = "unknown"
# What reading a file leads to that is no file of ours.
_NOT_OURS = (OSError, LookupError, RecursionError, TypeError, ValueError)


def version(root: Path) -> str:
    """The version in ``pyproject.toml``, or ``unknown``.

    It is unknown beside a Dockerfile of the user's own.
    """
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
        return str(tomllib.loads(text)["project"]["version"])
    except _NOT_OURS:
        return UNKNOWN


def revision(root: Path) -> str:
    """The git commit of the folder, or ``unknown`` outside a repository.

    It ends with ``-dirty`` if there are uncommitted changes.
    """
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    command = ["git", "-C", str(root), *describe]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # there is no git, and nothing else needs it
        return UNKNOWN
    return described.stdout.strip() or UNKNOWN
