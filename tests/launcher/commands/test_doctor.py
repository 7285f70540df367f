"""``doctor`` finds every fault, and says how to mend it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from launcher.ports import free_port
from tests.launcher.conftest import REGION, AwsServer, Launcher

NOWHERE = f"127.0.0.1:{free_port()}"


def checks(launcher: Launcher, *options: str) -> dict[str, dict[str, Any]]:
    """What each check has found, by its name."""
    result = launcher(*options, "doctor", "--json")
    found = {check["what"]: check for check in result.json}
    faulty = {what: check for what, check in found.items() if not check["good"]}
    if faulty:
        assert result.code == 1
        missing = [what for what, check in faulty.items() if check["looked"]]
        assert f"not ready: {', '.join(missing)}\n" in result.err
    else:
        assert result.code == 0
    return found


def test_a_new_account_lacks_what_init_makes(launcher: Launcher, registry: str) -> None:
    made_by_init = ("bucket", "role", "repository")
    found = checks(launcher, "--registry", registry)
    for what in ("docker", "platform", "data", "region", "credentials", "registry"):
        assert found[what]["good"], found[what]
    for what in made_by_init:
        assert not found[what]["good"]
        assert found[what]["fix"] == "run `launcher init`"

    assert launcher("init").code == 0
    found = checks(launcher, "--registry", registry)
    assert all(found[what]["good"] for what in made_by_init)


def test_a_property_that_is_missing_is_named(
    launcher: Launcher, aws: AwsServer
) -> None:
    bucket = launcher("init", "--json").json["bucket"]
    aws.client("s3").delete_public_access_block(Bucket=bucket)
    found = checks(launcher)["bucket"]
    assert found["found"] == f"{bucket}: to do: block public access to bucket"
    assert found["fix"] == "run `launcher init`"


def test_a_foreign_role_is_not_taken_for_ours(
    launcher: Launcher, aws: AwsServer
) -> None:
    aws.client("iam").create_role(
        RoleName=f"halfstar-{REGION}", AssumeRolePolicyDocument="{}"
    )
    assert "isn't ours" in checks(launcher)["role"]["found"]


@pytest.mark.parametrize(
    ("options", "what", "found", "fix"),
    [
        (
            ("--set", "name=halfstar-none"),
            "image",
            "no local image halfstar-none",
            "run `launcher build`",
        ),
        (
            ("--set", "platform=linux/arm64"),
            "platform",
            "ml.m5.large doesn't run images",
            "another instance type",
        ),
        (
            ("--set", "hosting.instance_type=ml.c7g.large"),
            "platform",
            "ml.c7g.large doesn't run",
            "set `platform`",
        ),
        (("--set", "data=/nowhere"), "data", "/nowhere is no directory", ""),
        (
            ("--region", "eu-centrl-1"),
            "region",
            "eu-centrl-1 is no region",
            "to eu-central-1 for example",
        ),
        (("--region", "eu-centrl-1"), "bucket", "not looked at", "mend region first"),
        (("--registry", NOWHERE), "registry", "can't be reached", ""),
        (
            (
                *("--set", "network.subnets=subnet-1"),
                *("--set", "network.security_groups=sg-1"),
            ),
            "network",
            "'subnet-1' does not exist",
            "set `network` to subnets and groups of this region",
        ),
        (
            ("--set", "keys.volume=alias/none"),
            "keys",
            "alias/none is not found",
            "make the key, or set `keys` to others",
        ),
        (
            ("--set", "iam.boundary=arn:aws:iam::123456789012:policy/none"),
            "boundary",
            "policy/none not found",
            "make it of what `launcher policy --boundary` prints",
        ),
        (
            ("--endpoint-url", f"http://{NOWHERE}"),
            "credentials",
            "check the network",
            "",
        ),
        (
            ("--endpoint-url", f"http://{NOWHERE}"),
            "role",
            "not looked at",
            "mend credentials first",
        ),
    ],
)
def test_a_fault_is_found_and_has_a_fix(
    launcher: Launcher, options: tuple[str, ...], what: str, found: str, fix: str
) -> None:
    check = checks(launcher, *options)[what]
    assert not check["good"]
    assert found in check["found"]
    assert fix in check["fix"]


def test_without_a_region_the_rest_is_still_looked_at(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    found = checks(launcher)
    assert "no region: set `region`" in found["region"]["found"]
    assert found["docker"]["good"]
    assert found["data"]["good"]


def test_an_engine_that_does_not_answer_is_found(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    found = checks(launcher)["docker"]
    assert "Cannot connect to the Docker daemon" in found["found"]
    assert found["fix"] == "start the engine, or join group docker"


def test_a_missing_docker_command_is_found(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "install Docker" in checks(launcher)["docker"]["found"]


GPU_INSTANCE = ("--set", "training.instance_type=ml.g5.xlarge")


def test_an_image_for_cpus_does_not_fit_an_instance_with_a_gpu(
    launcher: Launcher, tiny_image: str
) -> None:
    name = ("--set", f"name={tiny_image}")
    found = checks(launcher, *name, *GPU_INSTANCE)["gpu"]
    assert not found["good"]
    assert "ml.g5.xlarge has a GPU, but the image trains on CPUs" in found["found"]
    assert "run `launcher build`" in found["fix"]
    assert checks(launcher, *name)["gpu"]["good"]


def test_an_image_for_gpus_fits_both(launcher: Launcher, tiny_image: str) -> None:
    labelled = f"FROM {tiny_image}\nLABEL org.halfstar.gpu=1\n"
    name = f"{tiny_image}-gpu"
    build = ["docker", "build", "--quiet", "--tag", name, "-"]
    subprocess.run(build, input=labelled.encode(), check=True, capture_output=True)
    try:
        chosen = ("--set", f"name={name}")
        found = checks(launcher, *chosen, *GPU_INSTANCE)["gpu"]
        assert found["good"]
        assert found["found"] == "the image trains on the GPU of ml.g5.xlarge"

        without = checks(launcher, *chosen)["gpu"]
        assert without["good"]
        assert "so the image trains on its CPUs" in without["found"]
    finally:
        remove = ["docker", "image", "rm", "--force", name]
        subprocess.run(remove, check=True, capture_output=True)


def test_what_could_not_be_looked_at_is_not_called_missing(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-nowhere-1")
    lines = launcher("doctor").out.splitlines()
    verdicts = {line.split()[1]: line.split()[0] for line in lines[1:]}
    assert verdicts["region"] == "MISSING"
    assert verdicts["bucket"] == "unknown"
