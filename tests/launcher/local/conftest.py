"""One stack for all tests: services over HTTP, a registry, and the image pushed to it.

The image is built and pushed when the first test asks for it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.image import build
from launcher.docker import run_docker
from launcher.local import stack
from launcher.local.settings import Limits, StackSettings
from tests.launcher.local.stack_user import StackUser, clients

ROOT = Path(__file__).parents[3]
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
TRUST_SAGEMAKER = {"Version": "2012-10-17", "Statement": [STATEMENT]}


def never_started(directory: Path) -> StackSettings:
    """Settings of a stack that was never started."""
    return StackSettings(
        directory=directory,
        identity="abc",
        port=1,
        registry_port=2,
        region="eu-west-1",
        access_key="AKIALOCAL",
        secret_key="secret",
        registry_password="password",
        limits=Limits(stop_seconds=6),
        layers=directory / "layers",
    )


@pytest.fixture
def stack_settings(tmp_path: Path) -> StackSettings:
    """Of a stack that was never started."""
    return never_started(tmp_path)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackSettings]:
    """A stack of its own. It keeps the pushed layers for the next session, since
    compressing them takes a minute.
    """
    limits = Limits(
        stop_seconds=6,
        hosting_stop_seconds=6,
        health_seconds=120,
        invocation_seconds=5,
        scaling_seconds=1,
    )
    wanted = StackSettings(
        tmp_path_factory.mktemp("stack") / "up",
        layers=ROOT / "build" / "layers",
        limits=limits,
    )
    settings = stack.up(wanted)
    yield settings
    stack.down(settings.directory)


@pytest.fixture(scope="session")
def pushed(settings: StackSettings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image in the registry, pushed with the password that ECR gives: its URI with
    its digest.
    """
    image = build("halfstar:test")
    ecr = clients(settings)("ecr")
    repository = ecr.create_repository(repositoryName="halfstar")["repository"]
    uri = repository["repositoryUri"]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    environment = {
        **os.environ,
        "DOCKER_CONFIG": str(tmp_path_factory.mktemp("docker")),
    }
    credentials = ("--username", user, "--password", password)
    login = run_docker(
        "login", *credentials, settings.registry, environment=environment
    )
    assert login.returncode == 0, login.stderr

    run_docker("tag", image.tag, f"{uri}:v1")
    push = run_docker("push", f"{uri}:v1", environment=environment)
    assert push.returncode == 0, push.stderr
    run_docker("rmi", f"{uri}:v1")
    (detail,) = ecr.describe_images(repositoryName="halfstar")["imageDetails"]
    return f"{uri}@{detail['imageDigest']}"


@pytest.fixture(scope="session")
def user(settings: StackSettings, pushed: str, small_data: Path) -> StackUser:
    """Has a role, a bucket with data and the image."""
    client = clients(settings)
    role = client("iam").create_role(
        RoleName="training", AssumeRolePolicyDocument=json.dumps(TRUST_SAGEMAKER)
    )["Role"]
    client("s3").create_bucket(Bucket="ratings")
    for path in small_data.iterdir():
        client("s3").upload_file(str(path), "ratings", f"data/{path.name}")
    return StackUser(settings, client, role["Arn"], "ratings", pushed)
