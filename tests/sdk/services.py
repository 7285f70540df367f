"""The outside judge: whole flows that only use AWS's own clients, against `launcher
local`; see `make test-sdk`.

Each judge is a script that knows nothing of us. All three run at the same time, in the
SDKs' own environments, and wait for states; none has a time limit of its own.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from container.image import build
from launcher.docker import run_docker
from launcher.local import stack
from launcher.local.engine import DockerEngine
from launcher.local.settings import Limits, StackSettings
from tests.launcher.local.conftest import TRUST_SAGEMAKER
from tests.launcher.local.stack_user import clients
from tests.sdk.local_mode import DATA, NO_TELEMETRY, ROOT

BUCKET = "judged"
# The environment of each judge.
JUDGES = {"v2": ".venv-sdk2", "v3": ".venv-sdk3", "boto3": ".venv"}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackSettings]:
    """A stack with the platform's limits, which enforces IAM."""
    wanted = StackSettings(
        tmp_path_factory.mktemp("judged") / "up",
        layers=ROOT / "build" / "judged-layers",
        limits=Limits(scaling_seconds=2),
        enforces_iam=True,
    )
    settings = stack.up(wanted)
    yield settings
    stack.down(settings.directory)


@pytest.fixture(scope="session")
def arguments(
    settings: StackSettings, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Image, role and bucket, made as anyone makes them."""
    client = clients(settings)
    uri = client("ecr").create_repository(repositoryName="halfstar")["repository"][
        "repositoryUri"
    ]
    push(build("halfstar:test").tag, f"{uri}:v1", client, tmp_path_factory)
    client("s3").create_bucket(Bucket=BUCKET)
    for path in DATA.iterdir():
        client("s3").upload_file(str(path), BUCKET, f"data/{path.name}")
    iam = client("iam")
    role = iam.create_role(
        RoleName="judged", AssumeRolePolicyDocument=json.dumps(TRUST_SAGEMAKER)
    )["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [EVERYTHING]}
    iam.put_role_policy(
        RoleName="judged", PolicyName="all", PolicyDocument=json.dumps(policy)
    )
    return [f"{uri}:v1", role, BUCKET]


def push(
    image: str, uri: str, client: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = (
        base64.b64decode(data["authorizationToken"]).decode().partition(":")
    )
    environment = {
        **os.environ,
        "DOCKER_CONFIG": str(tmp_path_factory.mktemp("docker")),
    }
    login = ("--username", user, "--password", password)
    host = uri.partition("/")[0]
    for command in (("login", *login, host), ("tag", image, uri), ("push", uri)):
        done = run_docker(*command, environment=environment)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def found(
    settings: StackSettings,
    arguments: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, dict[str, Any]]:
    """What each judge found."""
    directory = tmp_path_factory.mktemp("judges")
    configuration = directory / "config.yaml"
    configuration.write_text(NO_TELEMETRY)
    environment = {
        **os.environ,
        **settings.environment(),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    running = {}
    for name, place in JUDGES.items():
        script = Path(__file__).with_name(f"judge_{name}.py")
        with (directory / f"{name}.log").open("w") as log:
            running[name] = subprocess.Popen(
                [str(ROOT / place / "bin" / "python"), str(script), *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd=directory,
            )
    printed = {name: judge.communicate()[0] for name, judge in running.items()}
    for name, judge in running.items():
        log_text = (directory / f"{name}.log").read_text()
        assert judge.returncode == 0, printed[name] + log_text
    # What the SDKs print themselves may precede it on the same line.
    lines = {name: text.splitlines()[-1] for name, text in printed.items()}
    return {
        name: dict(json.loads(line[line.index('{"') :])) for name, line in lines.items()
    }


Found = Mapping[str, dict[str, Any]]


def ratings(text: str) -> list[float]:
    return [float(line) for line in text.split()]


def test_version_2_trains_tunes_and_deploys_in_every_way(found: Found) -> None:
    version_2 = found["v2"]
    assert version_2["model"].startswith(f"s3://{BUCKET}/v2/")
    assert len(version_2["analytics"]) == 1
    assert version_2["tuned"] == 2
    assert version_2["instances"] == 2
    expected = ratings(version_2["endpoint"])
    assert all(0.5 <= rating <= 5 for rating in expected)
    kinds = ("streamed", "updated", "serverless", "later", "batch", "packaged")
    for kind in kinds:
        assert ratings(version_2[kind]) == expected, kind


def test_version_3_trains_and_deploys_the_same_model(found: Found) -> None:
    version_3 = found["v3"]
    assert version_3["status"] == "Completed"
    expected = ratings(found["v2"]["endpoint"])
    assert ratings(version_3["endpoint"]) == expected
    assert ratings(version_3["batch"]) == expected
    assert version_3["endpoints"] == 0


def test_boto3_by_hand_finds_what_the_developer_guide_says(found: Found) -> None:
    by_hand = found["boto3"]
    assert by_hand["status"] == "Completed"
    assert by_hand["streams"] == 1
    assert ratings(by_hand["endpoint"]) == ratings(found["v2"]["endpoint"])
    assert by_hand["refused"] == 400
    assert (by_hand["calm"], by_hand["alarmed"]) == ("OK", "ALARM")
    assert (by_hand["invocations"], by_hand["errors"]) == (2, 1)


@pytest.mark.parametrize("operation", ["create_processing_job", "list_pipelines"])
def test_what_is_not_offered_says_its_name(found: Found, operation: str) -> None:
    name = "".join(word.capitalize() for word in operation.split("_"))
    assert f"doesn't offer sagemaker {name}" in found["boto3"][operation]


@pytest.mark.usefixtures("found")
def test_captured_requests_are_in_the_bucket(settings: StackSettings) -> None:
    listed = clients(settings)("s3").list_objects_v2(Bucket=BUCKET, Prefix="capture/")
    assert listed["KeyCount"] > 0


@pytest.mark.usefixtures("found")
def test_a_day_of_flows_leaves_the_process_small(settings: StackSettings) -> None:
    (pid,) = stack.processes(settings)["service"].pids()
    status = Path(f"/proc/{pid}/status").read_text()
    kibibytes = int(status.partition("VmRSS:")[2].split()[0])
    assert kibibytes < 400 * 1024
    assert DockerEngine(settings).containers() == []
