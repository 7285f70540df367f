"""Runs a measurement in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import resource
import subprocess
from typing import Any

from benchmarks.results import ROOT

Json = dict[str, Any]


def run_for_json(command: list[str]) -> Json:
    """Run a command; gives the JSON that it prints as its last line."""
    ended = subprocess.run(
        command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    last_line = ended.stdout.splitlines()[-1]
    return dict(json.loads(last_line))


def peak_mb() -> int:
    """The most memory that this process has had so far, in MB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss // 1024
