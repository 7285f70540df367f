"""What is measured in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import resource
import subprocess
from typing import Any

from benchmarks.results import ROOT

Json = dict[str, Any]


def json_of(command: list[str]) -> Json:
    """What a process prints last."""
    done = subprocess.run(
        command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def peak_mb() -> int:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
