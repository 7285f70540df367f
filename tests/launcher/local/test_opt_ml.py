"""The directory that becomes ``/opt/ml``; whole jobs show its documents too."""

from __future__ import annotations

import json
from pathlib import Path

from launcher.local.opt_ml import checkpoints_in_container, make_directories

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
