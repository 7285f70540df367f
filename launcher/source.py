"""Version and commit of the project's folder, which an image is tagged with."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

UNKNOWN = "unknown"
# What reading a file leads to that is no file of ours.
_NOT_OURS = (OSError, LookupError, RecursionError, TypeError, ValueError)
# The time of a build, in seconds; see reproducible-builds.org.
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"


def build_arguments(
    root: Path, environ: Mapping[str, str], *, gpu: bool = False
) -> dict[str, str]:
    """The Dockerfile's build arguments that say what is built, and of which time.

    The time is the commit's, so that two builds of a commit have the same. The
    environment's ``SOURCE_DATE_EPOCH`` replaces it. Outside a repository the
    Dockerfile's own default remains.

    Args:
        root: the folder of the Dockerfile.
        environ: the environment's variables.
        gpu: whether XGBoost shall train on GPUs.
    """
    arguments = {"VERSION": version(root), "REVISION": revision(root)}
    if gpu:
        arguments["GPU"] = "1"
    epoch = environ.get(EPOCH_VARIABLE) or _git(root, "log", "-1", "--format=%ct")
    if epoch.isascii() and epoch.isdecimal():
        created = datetime.fromtimestamp(int(epoch), UTC)
        arguments[EPOCH_VARIABLE] = epoch
        arguments["CREATED"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    return arguments


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
    return _git(root, *describe) or UNKNOWN


def _git(root: Path, *arguments: str) -> str:
    """What git prints about the folder; nothing if it fails."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # there is no git, and nothing else needs it
        return ""
    return done.stdout.strip()
