"""The entry point as a process of its own, as the image starts it."""

from __future__ import annotations

import subprocess
import sys

from container.image import ROOT


def test_an_unknown_command_is_a_usage_error() -> None:
    entrypoint = ROOT / "container" / "entrypoint.py"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(entrypoint), "predict"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    expected = "'predict' is not a command of this image; use train or serve\n"
    assert ended.stderr == expected
