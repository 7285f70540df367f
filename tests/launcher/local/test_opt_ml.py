"""The directory that becomes ``/opt/ml``, and the reason that a failed job leaves in
it; whole jobs show its documents too.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launcher.local.errors import REASON_CHARACTERS
from launcher.local.opt_ml import (
    checkpoints_in_container,
    failure_reason,
    make_directories,
)

JOB = {"ResourceConfig": {"InstanceType": "ml.m5.large"}}


def test_a_host_finds_its_directories_and_the_other_hosts(tmp_path: Path) -> None:
    base = tmp_path / "algo-2"
    make_directories(base, JOB, [], ["algo-1", "algo-2"], "algo-2")
    for folder in ("input/data", "model", "output/data"):
        assert (base / folder).is_dir()
    config = base / "input" / "config"
    resources = json.loads((config / "resourceconfig.json").read_text())
    assert resources["current_host"] == "algo-2"
    assert resources["instance_groups"][0]["hosts"] == ["algo-1", "algo-2"]
    assert json.loads((config / "hyperparameters.json").read_text()) == {}
    assert not (config / "checkpointconfig.json").exists()


def test_a_job_may_have_its_checkpoints_anywhere() -> None:
    anywhere = {"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/tmp/c"}}
    assert checkpoints_in_container(anywhere) == "/tmp/c"
    default = {"CheckpointConfig": {"S3Uri": "s3://b/c"}}
    assert checkpoints_in_container(default) == "/opt/ml/checkpoints"


@pytest.fixture
def bases(tmp_path: Path) -> dict[str, Path]:
    """``/opt/ml`` of two hosts, without failure files."""
    bases = {host: tmp_path / host for host in ("algo-1", "algo-2")}
    for base in bases.values():
        (base / "output").mkdir(parents=True)
    return bases


def test_the_host_that_wrote_a_reason_counts(bases: dict[str, Path]) -> None:
    (bases["algo-2"] / "output" / "failure").write_text("no disk")
    # The first host was ended because the second had failed.
    reason = failure_reason(bases, {"algo-1": 143, "algo-2": 1})
    assert reason == "AlgorithmError: no disk, exit code: 1"


def test_without_a_reason_the_first_exit_status_counts(bases: dict[str, Path]) -> None:
    reason = failure_reason(bases, {"algo-2": 137, "algo-1": 143})
    assert reason == "AlgorithmError: , exit code: 137"


def test_a_long_reason_is_cut_before_its_exit_status(bases: dict[str, Path]) -> None:
    (bases["algo-1"] / "output" / "failure").write_text("x" * 5000)
    reason = failure_reason(bases, {"algo-1": 3})
    assert len(reason) == REASON_CHARACTERS
    assert reason.endswith("xx, exit code: 3")


def test_a_link_in_the_place_of_a_reason_is_not_followed(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (bases["algo-1"] / "output" / "failure").symlink_to(secret)
    assert failure_reason(bases, {"algo-1": 1}) == "AlgorithmError: , exit code: 1"
