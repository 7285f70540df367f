"""The stack itself: it starts and ends as a whole, refuses strangers, and is run by
commands that people type.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from container.image import build
from launcher.docker import run_docker
from launcher.local import stack
from launcher.local.engine import DockerEngine
from launcher.local.errors import LocalError
from launcher.local.settings import FILE, StackSettings
from launcher.ports import LOOPBACK
from tests.launcher.local.conftest import TRUST_SAGEMAKER
from tests.launcher.local.stack_user import (
    POLL_SECONDS,
    PYTHON,
    StackUser,
    clients,
    poll,
)

# An operation of each service, with what it needs.
OPERATIONS = {
    "s3": ("list_buckets", {}),
    "sts": ("get_caller_identity", {}),
    "iam": ("list_roles", {}),
    "ecr": ("describe_repositories", {}),
    "sagemaker": ("list_models", {}),
    "sagemaker-runtime": ("invoke_endpoint", {"EndpointName": "any", "Body": b""}),
}


def local(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``launcher local``."""
    command = [
        sys.executable,
        *("-m", "launcher", "local"),
        *arguments,
        *("--directory", str(directory)),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def pids(settings: StackSettings) -> list[int]:
    """The numbers of the registry's process and the services'."""
    return [pid for each in stack.processes(settings).values() for pid in each.pids()]


def image_names(settings: StackSettings) -> list[str]:
    """The names that this machine's images have of the stack's registry."""
    listed = run_docker("image", "ls", "--format", "{{.Repository}}")
    return [name for name in listed.stdout.split() if settings.registry in name]


def test_up_prints_what_to_export_and_down_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "up"
    first = local("up", "--region", "eu-west-1", directory=directory)
    assert first.returncode == 0, first.stderr
    exported = dict(
        line.removeprefix("export ").split("=") for line in first.stdout.splitlines()
    )

    # The next commands reach the stack past a proxy.
    assert exported["NO_PROXY"] == exported["no_proxy"]
    assert LOOPBACK in exported["NO_PROXY"].split(",")

    session = boto3.Session(
        exported["AWS_ACCESS_KEY_ID"],
        exported["AWS_SECRET_ACCESS_KEY"],
        region_name=exported["AWS_DEFAULT_REGION"],
    )
    ecr = session.client("ecr", endpoint_url=exported["AWS_ENDPOINT_URL"])
    repository = ecr.create_repository(repositoryName="halfstar")["repository"]
    assert repository["repositoryUri"] == f"{exported['HALFSTAR_REGISTRY']}/halfstar"

    assert local("up", directory=directory).stdout == first.stdout
    assert local("status", directory=directory).stdout.startswith("up: ")
    assert len(pids(StackSettings.load(directory))) == 2
    settings = StackSettings.load(directory)
    assert local("down", directory=directory).returncode == 0
    assert pids(settings) == []
    assert not directory.exists()


def test_a_stack_that_ended_by_itself_is_noticed_and_cleared_away(
    tmp_path: Path,
) -> None:
    settings = stack.up(StackSettings(tmp_path / "up"))
    _, service = pids(settings)
    os.kill(service, signal.SIGKILL)
    poll(lambda: not stack.is_up(settings))
    with pytest.raises(LocalError, match="has ended: run `launcher local down` first"):
        stack.up(StackSettings(tmp_path / "up"))
    stack.down(tmp_path / "up")
    with pytest.raises(LocalError, match="nothing is up"):
        stack.down(tmp_path / "up")


def test_two_at_once_start_one_stack(tmp_path: Path) -> None:
    directory = tmp_path / "up"
    command = [sys.executable, "-m", "launcher", "local", "up"]
    both = [
        subprocess.Popen(
            [*command, "--directory", str(directory)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    first, second = (process.communicate()[0] for process in both)
    assert first == second
    settings = StackSettings.load(directory)
    assert len(pids(settings)) == 2
    stack.down(directory)
    assert pids(settings) == []


@pytest.mark.parametrize("seconds", [0.2, 0.7])
def test_down_leaves_nothing_of_an_up_that_was_killed(
    tmp_path: Path, seconds: float
) -> None:
    directory = tmp_path / "up"
    command = [sys.executable, "-m", "launcher", "local", "up"]
    with subprocess.Popen(
        [*command, "--directory", str(directory)], stdout=subprocess.DEVNULL
    ) as process:
        poll(lambda: (directory / FILE).exists())
        time.sleep(seconds)
        process.kill()
    settings = StackSettings.load(directory)
    stack.down(directory)
    assert pids(settings) == []
    assert not directory.exists()


def test_a_down_that_was_interrupted_is_typed_again(tmp_path: Path) -> None:
    settings = stack.up(StackSettings(tmp_path / "up"))
    for path in settings.directory.iterdir():
        if path.is_file() and path.name != FILE:
            path.unlink()
    stack.down(settings.directory)
    assert pids(settings) == []
    assert not settings.directory.exists()


@pytest.mark.usefixtures("settings")
def test_down_takes_the_names_of_pushed_images_away(tmp_path: Path) -> None:
    other = stack.up(StackSettings(tmp_path / "up"))
    image = build("halfstar:test").tag
    run_docker("tag", image, f"{other.registry}/team/halfstar:v1")
    assert image_names(other) != []
    stack.down(other.directory)
    assert image_names(other) == []
    assert run_docker("image", "inspect", image).returncode == 0


@pytest.mark.usefixtures("settings")
def test_down_leaves_nothing_of_a_stack_that_was_killed_at_work(tmp_path: Path) -> None:
    other = stack.up(StackSettings(tmp_path / "up"))
    image = build("halfstar:test").tag
    run_docker("tag", image, f"{other.registry}/halfstar:v1")
    engine = DockerEngine(other)
    with contextlib.ExitStack() as left_behind:
        network = left_behind.enter_context(engine.network("job", is_isolated=True))
        sleeping = [PYTHON, "-c", "import time; time.sleep(600)"]
        options = ["--network", network, "--entrypoint", sleeping[0]]
        engine.start(f"{other.registry}/halfstar:v1", sleeping[1:], options)
        left_behind.pop_all()
    for pid in pids(other):
        os.kill(pid, signal.SIGKILL)
    stack.down(other.directory)
    assert pids(other) == []
    assert engine.containers() == []
    assert image_names(other) == []
    assert run_docker("network", "inspect", network).returncode != 0
    assert not other.directory.exists()


def test_it_is_up_whatever_it_holds(
    settings: StackSettings, user: StackUser, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(9 * 2**20))
    user.client("s3").upload_file(str(large), user.bucket, "large")
    assert stack.is_up(settings)
    user.client("s3").delete_object(Bucket=user.bucket, Key="large")
    assert stack.is_up(settings)


def test_two_stacks_never_share_their_layers(
    tmp_path: Path, settings: StackSettings
) -> None:
    with pytest.raises(LocalError, match="are another stack's"):
        stack.up(StackSettings(tmp_path / "up", layers=settings.layers))
    assert not (tmp_path / "up").exists()


def test_a_taken_port_is_reported(tmp_path: Path, settings: StackSettings) -> None:
    with pytest.raises(
        LocalError, match=r"the registry ended with 1: .* address already in use"
    ):
        stack.up(StackSettings(tmp_path / "up", registry_port=settings.registry_port))
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("service", OPERATIONS)
def test_another_access_key_is_refused(settings: StackSettings, service: str) -> None:
    client = boto3.client(
        service,
        settings.region,
        endpoint_url=settings.endpoint_url,
        aws_access_key_id="AKIASOMEBODYELSE",
        aws_secret_access_key="secret",
    )
    operation, parameters = OPERATIONS[service]
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**parameters)
    assert caught.value.response["Error"]["Code"] in (
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    )


def test_the_registry_refuses_another_password(
    settings: StackSettings, tmp_path: Path
) -> None:
    environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}
    credentials = ("--username", "AWS", "--password", "guess")
    login = run_docker(
        "login", *credentials, settings.registry, environment=environment
    )
    assert login.returncode == 1
    assert "401 Unauthorized" in login.stderr


def test_ecr_describes_what_was_pushed(user: StackUser) -> None:
    ecr = user.client("ecr")
    uri, _, digest = user.image.partition("@")
    assert uri == f"{user.settings.registry}/halfstar"
    v1 = {"repositoryName": "halfstar", "imageIds": [{"imageTag": "v1"}]}
    v9 = {"repositoryName": "halfstar", "imageIds": [{"imageTag": "v9"}]}

    (detail,) = ecr.describe_images(**v1)["imageDetails"]
    assert detail["imageDigest"] == digest
    assert detail["imageTags"] == ["v1"]
    assert detail["imageSizeInBytes"] > 10**8
    image_id = {"imageDigest": digest, "imageTag": "v1"}
    assert ecr.list_images(repositoryName="halfstar")["imageIds"] == [image_id]

    with pytest.raises(ecr.exceptions.ImageNotFoundException):
        ecr.describe_images(**v9)
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="halfstar")
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.list_images(repositoryName="nowhere")


def test_a_job_whose_registry_is_gone_fails_with_the_reason(
    user: StackUser, tmp_path: Path
) -> None:
    settings = stack.up(StackSettings(tmp_path / "up"))
    client = clients(settings)
    sagemaker = client("sagemaker")
    try:
        client("ecr").create_repository(repositoryName="halfstar")
        client("iam").create_role(
            RoleName="training", AssumeRolePolicyDocument=json.dumps(TRUST_SAGEMAKER)
        )
        client("s3").create_bucket(Bucket="ratings")
        registry, _ = pids(settings)
        os.kill(registry, signal.SIGKILL)

        request = user.script("unreachable", "")
        del request["InputDataConfig"]
        image = f"{settings.registry}/halfstar:v1"
        request["AlgorithmSpecification"]["TrainingImage"] = image
        sagemaker.create_training_job(**request)
        while True:
            job = sagemaker.describe_training_job(TrainingJobName="unreachable")
            if job["TrainingJobStatus"] != "InProgress":
                break
            time.sleep(POLL_SECONDS)
        reason = job["FailureReason"]
        assert reason.startswith("ClientError: Cannot pull algorithm container")
        assert "connection refused" in reason
    finally:
        stack.down(settings.directory)
