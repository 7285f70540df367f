"""``build`` with a real engine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.launcher.conftest import DOCKERFILE, Launcher

ROOT = Path(__file__).parents[3]


def planned(launcher: Launcher, *arguments: str) -> list[str]:
    """The docker command that a build would run."""
    options = ("--directory", str(ROOT), "--dry-run", "--json")
    [action] = launcher(*arguments, *options).json["plan"]
    command: list[str] = action["run"]
    return command


@pytest.mark.docker
def test_the_image_has_the_projects_name_and_docker_gets_its_own_options(
    launcher: Launcher, tmp_path: Path
) -> None:
    labelled = f"{DOCKERFILE}ARG COLOUR=red\nLABEL colour=$COLOUR\n"
    (tmp_path / "Dockerfile").write_text(labelled)
    (tmp_path / "payload").write_text("x")
    name = f"halfstar-built-{os.getpid()}"
    options = ("--directory", str(tmp_path), "--json", "--build-arg=COLOUR=blue")
    try:
        result = launcher("--set", f"name={name}", "build", *options)
        assert result.code == 0, result.err
        assert result.json["platform"] == "linux/amd64"
        label = "{{.Config.Labels.colour}}"
        shown = subprocess.run(
            ["docker", "image", "inspect", "--format", label, name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == "blue"
    finally:
        remove = ["docker", "image", "rm", "--force", name]
        subprocess.run(remove, check=True, capture_output=True)


def test_a_folder_without_a_dockerfile_is_refused(
    launcher: Launcher, tmp_path: Path
) -> None:
    result = launcher("build", "--directory", str(tmp_path))
    assert "has no Dockerfile" in result.err


def test_a_build_that_fails_has_dockers_exit_code(
    launcher: Launcher, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    result = launcher("build", "--directory", str(tmp_path))
    assert result.code == 1
    assert "docker build ended with 1" in result.err


@pytest.mark.parametrize(
    ("instance_type", "options", "has_gpu"),
    [
        ("ml.m5.large", (), False),
        ("ml.g5.xlarge", (), True),
        ("ml.m5.large", ("--gpu",), True),
        ("ml.g5.xlarge", ("--no-gpu",), False),
    ],
)
def test_an_instance_with_a_gpu_or_the_option_chooses_the_image_for_gpus(
    launcher: Launcher, instance_type: str, options: tuple[str, ...], *, has_gpu: bool
) -> None:
    chosen = ("--set", f"training.instance_type={instance_type}")
    command = planned(launcher, *chosen, "build", *options)
    assert ("--build-arg=GPU=1" in command) == has_gpu


def test_the_option_replaces_the_platform_of_the_configuration(
    launcher: Launcher,
) -> None:
    command = planned(launcher, "build", "--platform", "linux/arm64")
    assert "--platform=linux/arm64" in command
    assert "--platform=linux/amd64" in planned(launcher, "build")


def test_a_platform_that_no_instance_has_is_refused(launcher: Launcher) -> None:
    result = launcher("build", "--platform", "linux/s390x", "--dry-run")
    assert result.code != 0
    assert "linux/arm64" in result.err
