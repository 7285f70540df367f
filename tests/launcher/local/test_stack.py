"""The stack itself: what `up` starts, `down` ends; whom it lets in; and the commands
that people type.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from launcher.local import stack
from launcher.local.errors import LocalError
from launcher.local.settings import Settings
from tests.launcher.local.account import Account, clients, docker

SERVICES = {
    "s3": "list_buckets",
    "sts": "get_caller_identity",
    "iam": "list_roles",
    "ecr": "describe_repositories",
    "sagemaker": "list_models",
    "sagemaker-runtime": "invoke_endpoint",
}


def local(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    script = "from launcher.local.cli import app; app()"
    command = [sys.executable, "-c", script, *arguments, "--directory", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_up_prints_what_to_export_and_down_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "up"
    first = local("up", "--region", "eu-west-1", directory=directory)
    assert first.returncode == 0, first.stderr
    exported = dict(
        line.removeprefix("export ").split("=") for line in first.stdout.splitlines()
    )
    session = boto3.Session(
        exported["AWS_ACCESS_KEY_ID"],
        exported["AWS_SECRET_ACCESS_KEY"],
        region_name=exported["AWS_DEFAULT_REGION"],
    )
    ecr = session.client("ecr", endpoint_url=exported["AWS_ENDPOINT_URL"])
    uri = ecr.create_repository(repositoryName="halfstar")["repository"][
        "repositoryUri"
    ]
    assert uri == f"{exported['HALFSTAR_REGISTRY']}/halfstar"
    assert local("up", directory=directory).stdout == first.stdout
    assert local("status", directory=directory).stdout.startswith("up: ")
    processes = Settings.load(directory).processes
    assert all(process.is_alive() for process in processes)
    assert local("down", directory=directory).returncode == 0
    assert not any(process.is_alive() for process in processes)
    assert not directory.exists()


def test_what_has_ended_by_itself_is_noticed_and_cleared_away(tmp_path: Path) -> None:
    settings = stack.up(tmp_path / "up")
    os.kill(settings.processes[1].pid, 9)
    while stack.is_up(settings):
        time.sleep(0.1)
    with pytest.raises(LocalError, match="has ended: run `launcher local down` first"):
        stack.up(tmp_path / "up")
    stack.down(tmp_path / "up")
    with pytest.raises(LocalError, match="nothing is up"):
        stack.down(tmp_path / "up")


def test_a_taken_port_is_reported(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(
        LocalError, match=r"the registry ended .* address already in use"
    ):
        stack.up(tmp_path / "up", registry_port=settings.registry_port)
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("service", SERVICES)
def test_another_access_key_is_refused(settings: Settings, service: str) -> None:
    client = boto3.client(
        service,
        settings.region,
        endpoint_url=settings.endpoint_url,
        aws_access_key_id="AKIASOMEBODYELSE",
        aws_secret_access_key="secret",
    )
    operation = getattr(client, SERVICES[service])
    with pytest.raises(ClientError) as caught:
        operation(
            **(
                {"EndpointName": "any", "Body": b""}
                if service == "sagemaker-runtime"
                else {}
            )
        )
    codes = (
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    )
    assert caught.value.response["Error"]["Code"] in codes


def test_another_password_gets_nothing_into_the_registry(
    settings: Settings, tmp_path: Path
) -> None:
    environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}
    command = ("login", "--username", "AWS", "--password-stdin", settings.registry)
    refused = docker(*command, input="guess", env=environment)
    assert refused.returncode == 1
    assert "401 Unauthorized" in refused.stderr


def test_ecr_tells_what_was_pushed(account: Account) -> None:
    ecr = account.client("ecr")
    uri, _, digest = account.image.partition("@")
    (detail,) = ecr.describe_images(
        repositoryName="halfstar", imageIds=[{"imageTag": "v1"}]
    )["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v1"])
    assert detail["imageSizeInBytes"] > 10**8
    identity = {"imageDigest": digest, "imageTag": "v1"}
    assert ecr.list_images(repositoryName="halfstar")["imageIds"] == [identity]
    assert ecr.batch_get_image(
        repositoryName="halfstar", imageIds=[{"imageTag": "v9"}]
    )["failures"][0]
    with pytest.raises(ecr.exceptions.ImageNotFoundException):
        ecr.describe_images(repositoryName="halfstar", imageIds=[{"imageTag": "v9"}])
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="halfstar")
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.list_images(repositoryName="nowhere")
    assert uri == f"{account.settings.registry}/halfstar"


def test_a_job_whose_registry_is_gone_fails_with_the_reason(
    account: Account, tmp_path: Path
) -> None:
    settings = stack.up(tmp_path / "up")
    client = clients(settings)
    try:
        client("ecr").create_repository(repositoryName="halfstar")
        trust = account.client("iam").get_role(RoleName="training")["Role"][
            "AssumeRolePolicyDocument"
        ]

        client("iam").create_role(
            RoleName="training", AssumeRolePolicyDocument=json.dumps(trust)
        )
        client("s3").create_bucket(Bucket="ratings")
        os.kill(settings.processes[0].pid, 9)
        request = account.script("unreachable", "")
        del request["InputDataConfig"]
        request["AlgorithmSpecification"]["TrainingImage"] = (
            f"{settings.registry}/halfstar:v1"
        )
        client("sagemaker").create_training_job(**request)
        while (
            job := client("sagemaker").describe_training_job(
                TrainingJobName="unreachable"
            )
        )["TrainingJobStatus"] == "InProgress":
            time.sleep(0.1)
        assert job["FailureReason"].startswith(
            "ClientError: Cannot pull algorithm container"
        )
        assert "connection refused" in job["FailureReason"]
    finally:
        stack.down(settings.directory)
