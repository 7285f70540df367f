from __future__ import annotations

import hashlib
import os
from pathlib import Path

from serve.operations.counters import Board
from serve.operations.report import Reporter, describe_model
from serve.served_model import ServedModel


def test_a_model_is_told_by_what_sha256sum_says(
    served: ServedModel, model_dir: Path
) -> None:
    described = describe_model(served.artifact.manifest)
    digest = hashlib.sha256((model_dir / "booster.ubj").read_bytes()).hexdigest()
    assert digest.startswith(described["booster"])
    assert len(described["booster"]) == len(described["features"]) == 12
    assert described["decision"] == "mode"


def test_memory_is_that_of_processes_that_live() -> None:
    board = Board(2)
    board.slot(1).begin(os.getpid())
    report = Reporter(board, {}).now()
    assert set(report.resident) == {"supervisor", "worker 1"}
    assert 0 < report.memory < report.memory_limit


def test_what_was_reported_is_known_to_the_next_process() -> None:
    board = Board(1)
    reporter = Reporter(board, {})
    board.slot(0).refused(400)
    pid = os.fork()
    if pid == 0:
        reporter.since_last()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    board.slot(0).refused(408)
    totals = reporter.since_last().totals
    counts = {place: count for place, count in totals.requests().items() if count}
    assert counts == {("other", 408): 1}
