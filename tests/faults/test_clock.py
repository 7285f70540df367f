"""A clock that is set forwards and backwards while a job runs.

The job's process gets it in place of the C library's own clock (`clock.c`): 1970, a
month ahead, an hour behind, the next century.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.conftest import model_files

pytestmark = pytest.mark.slow

TRAIN = Path(sys.executable).parent / "train"


def run(base_dir: Path, clock: Path) -> subprocess.CompletedProcess[str]:
    changes = {"SAGEMAKER_BASE_DIR": str(base_dir), "LD_PRELOAD": str(clock)}
    return subprocess.run(
        [TRAIN],
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_clock_that_jumps_changes_neither_the_job_nor_its_model(
    base_dir: Path, clock: Path, undisturbed: dict[str, bytes]
) -> None:
    result = run(base_dir, clock)
    assert result.returncode == 0, result.stderr
    # The clock is what it shall be.
    assert "1970-01-03" in result.stdout + result.stderr
    assert model_files(base_dir) == undisturbed
    assert list((base_dir / "checkpoints").iterdir())
