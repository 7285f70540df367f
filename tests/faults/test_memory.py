"""Jobs that get no more memory."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.jobs import Fault, Jobs, kill, leave_little_memory, leave_no_memory
from tests.train.conftest import model_files
from train.errors import MORE_MEMORY
from train.toolkit import KILLED

pytestmark = pytest.mark.slow

# More than `leave_little_memory` leaves, and less than the reader refuses.
MOVIES_BYTES = 48_000_000


def test_memory_that_runs_out_is_the_reason(base_dir: Path, jobs: Jobs) -> None:
    movies = base_dir / "input" / "data" / "training" / "movies.csv"
    with movies.open("a") as file:
        file.write(f"999999,{'x' * 1000} (2000),Drama\n" * (MOVIES_BYTES // 1000))
    end = jobs.run(base_dir, Fault("opens", "movies.csv", leave_little_memory))
    assert end.code == 1, end.log
    assert end.failure.startswith("memory ran out (")
    assert end.failure.endswith(MORE_MEMORY)


def test_memory_that_runs_out_anywhere_leaves_a_reason_and_no_model(
    base_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    end = jobs.run(base_dir, Fault("logs", "features a row", leave_no_memory))
    assert end.code != 0, end.log
    assert end.failure
    assert model_files(base_dir) == {}

    assert jobs.run(base_dir).code == 0
    assert model_files(base_dir) == undisturbed


def test_a_job_that_the_kernel_kills_has_left_a_reason(
    base_dir: Path, jobs: Jobs
) -> None:
    end = jobs.run(base_dir, Fault("logs", "round 5 of 8", kill))
    assert end.code == -signal.SIGKILL
    assert end.failure == KILLED

    end = jobs.run(base_dir)
    assert end.code == 0, end.log
    assert end.failure == ""
