"""One stack for all tests: real services over HTTP, the real registry, and the real
image pushed to it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.image import build
from launcher.local import stack
from launcher.local.settings import Limits, Settings
from tests.launcher.local.account import Account, clients, docker

ROOT = Path(__file__).parents[3]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    ],
}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack of its own, which keeps the pushed layers for the next session:
    compressing them takes a minute.
    """
    limits = Limits(
        stop_seconds=6, hosting_stop_seconds=6, health_seconds=20, invocation_seconds=5
    )
    settings = stack.up(
        tmp_path_factory.mktemp("stack") / "up",
        layers=ROOT / "build" / "layers",
        limits=limits,
    )
    yield settings
    stack.down(settings.directory)


@pytest.fixture(scope="session")
def pushed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image in the registry, put there with the password that ECR gives: its URI
    with its digest.
    """
    image = build("halfstar:test")
    ecr = clients(settings)("ecr")
    uri = ecr.create_repository(repositoryName="halfstar")["repository"][
        "repositoryUri"
    ]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    environment = {
        **os.environ,
        "DOCKER_CONFIG": str(tmp_path_factory.mktemp("docker")),
    }
    login = docker(
        "login",
        "--username",
        user,
        "--password-stdin",
        settings.registry,
        input=password,
        env=environment,
    )
    assert login.returncode == 0, login.stderr
    docker("tag", image.tag, f"{uri}:v1")
    push = docker("push", f"{uri}:v1", env=environment)
    assert push.returncode == 0, push.stderr
    docker("rmi", f"{uri}:v1")
    return f"{uri}@{ecr.describe_images(repositoryName='halfstar')['imageDetails'][0]['imageDigest']}"


@pytest.fixture(scope="session")
def account(settings: Settings, pushed: str, small_data: Path) -> Account:
    client = clients(settings)
    role = client("iam").create_role(
        RoleName="training", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    client("s3").create_bucket(Bucket="ratings")
    for path in small_data.iterdir():
        client("s3").upload_file(str(path), "ratings", f"data/{path.name}")
    return Account(settings, client, role, "ratings", pushed)
