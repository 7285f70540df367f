"""The directory that becomes ``/opt/ml``, and the reason that a failed job leaves in
it; whole jobs show its documents too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from launcher.local.cloudwatch import cloudwatch
from launcher.local.ecr_images import EcrImages
from launcher.local.engine import DockerEngine
from launcher.local.errors import REASON_CHARACTERS
from launcher.local.registry import RegistryServer
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings
from launcher.local.stack_parts import StackParts
from launcher.local.training_hosts import TrainingHost, failure_reason

JOB = {"ResourceConfig": {"InstanceType": "ml.m5.large"}}
NAMES = ("algo-1", "algo-2")


def hosts_of(settings: StackSettings, job: Mapping[str, Any]) -> list[TrainingHost]:
    """Two hosts of a job without channels."""
    parts = StackParts(
        settings,
        DockerEngine(settings),
        ServiceClients(settings),
        EcrImages(settings, RegistryServer(settings)),
        cloudwatch(settings.region),
    )
    return [
        TrainingHost(parts, job, name, settings.directory / name, []) for name in NAMES
    ]


def document(host: TrainingHost, name: str) -> dict[str, Any]:
    text = (host.base / "input" / "config" / f"{name}.json").read_text()
    return dict(json.loads(text))


def test_a_host_finds_its_directories_and_the_other_hosts(
    stack_settings: StackSettings,
) -> None:
    host = hosts_of(stack_settings, JOB)[1]
    host.prepare(NAMES)
    for folder in ("input/data", "model", "output/data"):
        assert (host.base / folder).is_dir()
    resources = document(host, "resourceconfig")
    assert resources["current_host"] == "algo-2"
    assert resources["instance_groups"][0]["hosts"] == ["algo-1", "algo-2"]
    assert document(host, "hyperparameters") == {}
    assert not (host.base / "input" / "config" / "checkpointconfig.json").exists()


@pytest.mark.parametrize(
    ("given", "found"),
    [({"LocalPath": "/tmp/c"}, "/tmp/c"), ({}, "/opt/ml/checkpoints")],
)
def test_a_job_may_have_its_checkpoints_anywhere(
    stack_settings: StackSettings, given: dict[str, str], found: str
) -> None:
    config = {"S3Uri": "s3://b/c", **given}
    host = hosts_of(stack_settings, {**JOB, "CheckpointConfig": config})[0]
    host.prepare(NAMES)
    assert document(host, "checkpointconfig") == {"LocalPath": found}


@pytest.fixture
def hosts(stack_settings: StackSettings) -> list[TrainingHost]:
    """Two hosts without failure files."""
    hosts = hosts_of(stack_settings, JOB)
    for host in hosts:
        host.prepare(NAMES)
    return hosts


def test_the_host_that_wrote_a_reason_counts(hosts: list[TrainingHost]) -> None:
    (hosts[1].base / "output" / "failure").write_text("no disk")
    # The first host was ended because the second had failed.
    reason = failure_reason(hosts, {"algo-1": 143, "algo-2": 1})
    assert reason == "AlgorithmError: no disk, exit code: 1"


def test_without_a_reason_the_first_exit_status_counts(
    hosts: list[TrainingHost],
) -> None:
    reason = failure_reason(hosts, {"algo-2": 137, "algo-1": 143})
    assert reason == "AlgorithmError: , exit code: 137"


def test_a_long_reason_is_cut_before_its_exit_status(hosts: list[TrainingHost]) -> None:
    (hosts[0].base / "output" / "failure").write_text("x" * 5000)
    reason = failure_reason(hosts, {"algo-1": 3})
    assert len(reason) == REASON_CHARACTERS
    assert reason.endswith("xx, exit code: 3")


def test_a_link_in_the_place_of_a_reason_is_not_followed(
    hosts: list[TrainingHost], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (hosts[0].base / "output" / "failure").symlink_to(secret)
    assert failure_reason(hosts, {"algo-1": 1}) == "AlgorithmError: , exit code: 1"
