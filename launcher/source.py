"""What the project's folder says of itself: the version and the commit that an image is
tagged with.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

UNKNOWN = "unknown"


def version(root: Path) -> str:
    """The version of pyproject.toml, or ``unknown`` where there is none, as beside a
    Dockerfile of the user's own.
    """
    try:
        return str(
            tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
        )
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return UNKNOWN


def revision(root: Path) -> str:
    """The commit of the working tree, with ``-dirty`` when it has changes, or
    ``unknown`` outside a repository.
    """
    command = [
        "git",
        "-C",
        str(root),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git here, which nothing else needs
        return UNKNOWN
    return described.stdout.strip() or UNKNOWN
