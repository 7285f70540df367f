"""Extensions under the sanitizers of gcc, which stop at any wrong access."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from container import debian

_LIBRARIES = ("libasan.so", "libubsan.so")


def gcc(*arguments: str | Path) -> str:
    """What gcc prints; it is installed if it is missing."""
    if shutil.which("gcc") is None:
        debian.install("gcc", "libc6-dev")
    command = ["gcc", *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.strip()


def run_watched(script: Path, *arguments: str | Path) -> None:
    """Run a script that says "done" at its end, if nothing stops it before."""
    libraries = [gcc(f"-print-file-name={name}") for name in _LIBRARIES]
    environment = {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    result = subprocess.run(
        [sys.executable, script, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("done\n")
