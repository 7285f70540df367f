"""AWS's own clients find every setting of ``halfstar.toml`` on what the launcher's
commands made, by `launcher local`; see `make test-sdk`.

`describe_v2.py` reads the account with version 2 of SageMaker's SDK and with boto3, in
an environment of its own. It gives what it finds under the names of our settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from container.image import build
from launcher.config import describe_settings
from launcher.local import stack
from launcher.local.settings import ACCOUNT, StackSettings
from tests.launcher.local.stack_user import clients
from tests.sdk.local_mode import DATA, NO_TELEMETRY, ROOT, sdk_command

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/stars-boundary"
# Networks and keys have ids that the account chooses.
FILE = """
name = "stars"
region = "{region}"
data = "{data}"

[training]
instance_type = "ml.m5.xlarge"
instance_count = 2
volume_gb = 12
max_seconds = 1800
input_mode = "FastFile"
spot = true
max_wait_seconds = 2400

[tuning]
objective = "test:rmse"
max_jobs = 2
parallel_jobs = 1

[hosting]
endpoint = "stars-ratings"
instance_type = "ml.m5.xlarge"
instance_count = 2
memory_mb = 3072
max_concurrency = 7

[transform]
instance_type = "ml.c5.xlarge"
instance_count = 2
payload_mb = 5

[network]
subnets = ["{subnet}"]
security_groups = ["{group}"]
isolation = true
encrypt_traffic = true

[keys]
bucket = "{keys[0]}"
output = "{keys[1]}"
volume = "{keys[2]}"
endpoint = "{keys[3]}"

[iam]
boundary = "{boundary}"
path = "/teams/"

[scaling]
min = 2
max = 3
invocations = 600
backlog = 4

[capture]
percent = 20

[alarms]
errors = 5
latency_ms = 250
dashboard = true

[environment]
HALFSTAR_WORKERS = "1"

[hyperparameters]
num_round = "5"
features = "none"
hidden_share = "0"

[tags]
team = "recommendations"
"""
# What a serverless endpoint can't have.
SERVERLESS = (
    *("--kind", "serverless"),
    *("--set", "network.subnets="),
    *("--set", "network.security_groups="),
    *("--set", "network.isolation=false"),
    *("--set", "scaling.max=0"),
    *("--set", "capture.percent=0"),
)
# Settings that say how the launcher works, and reach nothing that it makes. The names
# of things are seen by finding them, and `launcher local` refuses alarms that tell
# somebody.
NOT_ON_ANYTHING = {
    "alarms.notify",
    "bucket",
    "data",
    "endpoint_url",
    "hosting.kind",
    "image",
    "platform",
    "profile",
    "region",
    "registry",
    "repository",
    "role",
}
FREE_TABLES = ("environment", "hyperparameters", "tags")


class Project:
    """A folder with a configuration of everything, and the command line run in it."""

    def __init__(self, folder: Path, settings: StackSettings) -> None:
        self.folder = folder
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "HALFSTAR_"))
        }
        self.environment = {**clean, **settings.environment()}

    def __call__(self, *arguments: str) -> Any:
        """Run a command that must succeed; gives its result."""
        command = (sys.executable, "-m", "launcher", "--poll-seconds", "0.5")
        done = subprocess.run(
            [*command, *arguments, "--json"],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def settings(self) -> dict[str, Any]:
        """What its file says, by key."""
        document = tomllib.loads((self.folder / "halfstar.toml").read_text())
        found: dict[str, Any] = {}
        for name, value in document.items():
            if isinstance(value, dict):
                found |= {f"{name}.{key}": each for key, each in value.items()}
            else:
                found[name] = value
        return found


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackSettings]:
    """A stack that enforces IAM, so jobs have only what the role allows."""
    wanted = StackSettings(
        tmp_path_factory.mktemp("launched") / "up",
        layers=ROOT / "build" / "launched-layers",
        enforces_iam=True,
    )
    settings = stack.up(wanted)
    yield settings
    stack.down(settings.directory)


@pytest.fixture(scope="module")
def project(
    settings: StackSettings, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Has a network, keys and a boundary, and all of them in its file."""
    client = clients(settings)
    vpc = client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]
    group = client("ec2").create_security_group(
        VpcId=vpc, GroupName="stars", Description="stars"
    )
    keys = [client("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(4)]
    text = FILE.format(
        region=settings.region,
        data=DATA,
        subnet=subnet["SubnetId"],
        group=group["GroupId"],
        keys=keys,
        boundary=BOUNDARY,
    )
    folder = tmp_path_factory.mktemp("project")
    (folder / "halfstar.toml").write_text(text)
    project = Project(folder, settings)

    boundary = project("policy", "--boundary")
    made = client("iam").create_policy(
        PolicyName="stars-boundary", PolicyDocument=json.dumps(boundary)
    )
    assert made["Policy"]["Arn"] == BOUNDARY
    return project


@pytest.fixture(scope="module")
def image() -> str:
    return build("halfstar:test").tag


@pytest.fixture(scope="module")
def made(project: Project, image: str) -> dict[str, str]:
    """The names of all that the commands made."""
    names: dict[str, str] = {**project("init")}
    project("data")
    project("push", image)
    names |= project("train")
    names["tuning_job"] = project("tune", "--yes")["tuning_job"]

    # An update and its rollback: what is found on the endpoint is there after both.
    names["endpoint"] = project("deploy")["endpoint"]
    project("deploy", "--instance-type", "ml.m5.large")
    project("rollback")
    later = ("--kind", "async", "--endpoint", "stars-later")
    names["async"] = project("deploy", *later)["endpoint"]
    small = ("--endpoint", "stars-small")
    names["serverless"] = project("deploy", *SERVERLESS, *small)["endpoint"]

    (project.folder / "rows.csv").write_text("1,318\n1,1\n")
    names |= project("transform", "rows.csv", "--output", "answers.jsonl")
    package = project("register")["model_package"]
    # arn:...:model-package/GROUP/VERSION
    group = package.rpartition("/")[0]
    names["package_group"] = group.replace(":model-package/", ":model-package-group/")
    return names


@pytest.fixture(scope="module")
def found(
    project: Project, made: Mapping[str, Any]
) -> dict[str, dict[str, dict[str, Any]]]:
    """The settings that each client finds, by command."""
    configuration = project.folder / "sdk.yaml"
    configuration.write_text(NO_TELEMETRY)
    environment = {
        **project.environment,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    script = Path(__file__).with_name("describe_v2.py")
    described = subprocess.run(
        [sdk_command(2, "python"), str(script)],
        input=json.dumps(made),
        capture_output=True,
        text=True,
        env=environment,
        cwd=project.folder,
        check=False,
    )
    assert described.returncode == 0, described.stdout + described.stderr
    # What the SDK prints itself may precede it on the same line.
    line = described.stdout.splitlines()[-1]
    return dict(json.loads(line[line.index('{"') :]))


Found = dict[str, dict[str, dict[str, Any]]]
OWN_NAMES = {"async": "stars-later", "serverless": "stars-small"}


@pytest.mark.parametrize("client", ["v2", "boto3"])
def test_what_a_client_finds_is_what_the_file_says(
    found: Found, project: Project, client: str
) -> None:
    for command, settings in found[client].items():
        expected = project.settings()
        if command in OWN_NAMES:
            expected["hosting.endpoint"] = OWN_NAMES[command]
        for key, value in settings.items():
            assert value == expected[key], f"{command}: {key}"


def test_every_setting_of_the_file_is_found(found: Found, project: Project) -> None:
    wanted = {each.key for each in describe_settings()} - NOT_ON_ANYTHING
    in_file = set(project.settings())
    # A new setting is either on something, or named above.
    assert wanted <= in_file
    of_user = {key for key in in_file if key.split(".")[0] in FREE_TABLES}
    by_boto3 = {key for settings in found["boto3"].values() for key in settings}
    assert by_boto3 == wanted | of_user


def test_version_2_finds_all_but_what_sagemaker_does_not_know(found: Found) -> None:
    by_client = {
        client: {key for settings in commands.values() for key in settings}
        for client, commands in found.items()
    }
    beside_sagemaker = {
        key
        for key in by_client["boto3"]
        if key.split(".")[0] in ("alarms", "iam", "scaling") or key == "keys.bucket"
    }
    assert by_client["v2"] == by_client["boto3"] - beside_sagemaker
