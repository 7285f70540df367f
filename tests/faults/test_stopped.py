"""Jobs that SageMaker stops, as it does before it takes a spot instance away."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.faults.jobs import Fault, Jobs, interrupt, stop, stop_later
from tests.faults.moments import (
    STOPPED_AFTER_THE_ROUNDS,
    STOPPED_BEFORE_THE_ROUNDS,
    STOPPED_IN_THE_ROUNDS,
)
from tests.train.conftest import configure, model_files

pytestmark = pytest.mark.slow


def test_a_stop_before_the_job_begins_ends_it_at_once(
    base_dir: Path, jobs: Jobs
) -> None:
    end = jobs.run(base_dir, Fault("opens", "resourceconfig.json", stop))
    assert end.code == 128 + signal.SIGTERM
    assert end.failure == ""
    assert model_files(base_dir) == {}


@pytest.mark.parametrize("moment", STOPPED_BEFORE_THE_ROUNDS)
def test_a_stop_before_the_first_round_says_that_there_is_no_model(
    base_dir: Path, jobs: Jobs, moment: str
) -> None:
    end = jobs.run(base_dir, STOPPED_BEFORE_THE_ROUNDS[moment])
    assert end.code == 1
    assert end.failure.startswith("stopped by SIGTERM before ")
    assert end.failure.endswith(": there is no model yet")
    assert model_files(base_dir) == {}


@pytest.mark.parametrize("moment", STOPPED_IN_THE_ROUNDS)
def test_a_stop_in_the_rounds_keeps_a_model_and_the_next_run_completes_it(
    base_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes], moment: str
) -> None:
    end = jobs.run(base_dir, STOPPED_IN_THE_ROUNDS[moment])
    assert end.code == 0, end.log
    evaluation = json.loads(model_files(base_dir)["evaluation.json"])
    assert evaluation["booster"]["stopped"] is True

    end = jobs.run(base_dir)
    assert end.code == 0, end.log
    assert "resuming from" in end.log
    assert model_files(base_dir) == undisturbed


@pytest.mark.parametrize("moment", STOPPED_AFTER_THE_ROUNDS)
def test_a_stop_after_the_rounds_changes_nothing(
    boosted_dir: Path, jobs: Jobs, undisturbed: dict[str, bytes], moment: str
) -> None:
    end = jobs.run(boosted_dir, STOPPED_AFTER_THE_ROUNDS[moment])
    assert end.code == 0, end.log
    assert model_files(boosted_dir) == undisturbed


def test_a_stop_ends_a_job_that_waits_for_a_pipe(base_dir: Path, jobs: Jobs) -> None:
    channel = {"TrainingInputMode": "Pipe"}
    configure(base_dir, "inputdataconfig", {"training": channel})
    # Nobody writes into it.
    os.mkfifo(base_dir / "input" / "data" / "training_0")
    end = jobs.run(base_dir, Fault("opens", "training_0", stop_later))
    assert end.code == 1
    assert end.failure.startswith("stopped by SIGTERM before ")


def test_an_interrupted_job_says_so(base_dir: Path, jobs: Jobs) -> None:
    end = jobs.run(base_dir, Fault("logs", "round 2 of 8", interrupt))
    assert end.code == 1
    assert end.failure == "interrupted by SIGINT"
    assert model_files(base_dir) == {}
