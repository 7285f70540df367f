"""Power that fails while a job writes: what isn't on the disk by then is lost.

The job's process gets its files from a library (`power.c`), which takes away what no
fsync has brought onto the disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import HYPERPARAMETERS
from tests.faults.jobs import Jobs
from tests.train.conftest import configure, model_files

pytestmark = pytest.mark.slow

TRAIN = Path(sys.executable).parent / "train"
OUTPUT = "output/data/"
N_TEST_ROWS = 644


def lose_power(base_dir: Path, power: Path, moment: str) -> None:
    """Run a job until the file with this end of a path gets its name."""
    changes = {
        "SAGEMAKER_BASE_DIR": str(base_dir),
        "LD_PRELOAD": str(power),
        "POWER_BELOW": str(base_dir),
        "POWER_FAILS_AT": moment,
    }
    result = subprocess.run(
        [TRAIN],
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


def test_a_checkpoint_that_has_its_name_is_on_the_disk(
    base_dir: Path, power: Path, jobs: Jobs, undisturbed: dict[str, bytes]
) -> None:
    lose_power(base_dir, power, "/checkpoint-6.zip")
    end = jobs.run(base_dir)
    assert end.code == 0, end.log
    assert f"resuming from {base_dir / 'checkpoints' / 'checkpoint-6.zip'}" in end.log
    assert model_files(base_dir) == undisturbed


def test_a_model_that_has_its_manifest_is_on_the_disk(
    boosted_dir: Path, power: Path, undisturbed: dict[str, bytes]
) -> None:
    lose_power(boosted_dir, power, "/model/manifest.json")
    assert model_files(boosted_dir) == undisturbed


@pytest.mark.parametrize(
    "name", ["evaluation.json", "predictions.csv", "report.html", "report.json"]
)
def test_an_output_file_that_has_its_name_is_on_the_disk(
    boosted_dir: Path, power: Path, name: str
) -> None:
    hyperparameters = {**HYPERPARAMETERS, "save_predictions": "true"}
    configure(boosted_dir, "hyperparameters", hyperparameters)
    lose_power(boosted_dir, power, f"/{OUTPUT}{name}")
    expect_whole(boosted_dir / OUTPUT / name)


def test_a_job_that_has_reported_success_has_all_on_the_disk(
    boosted_dir: Path, power: Path, undisturbed: dict[str, bytes]
) -> None:
    lose_power(boosted_dir, power, "/output/success")
    assert model_files(boosted_dir) == undisturbed
    for name in ("evaluation.json", "report.html", "report.json"):
        expect_whole(boosted_dir / OUTPUT / name)


def expect_whole(path: Path) -> None:
    text = path.read_text()
    match path.suffix:
        case ".json":
            assert json.loads(text)
        case ".csv":
            assert len(text.splitlines()) == 1 + N_TEST_ROWS
        case ".html":
            assert text.rstrip().endswith("</html>")
        case _:
            raise AssertionError(path)
