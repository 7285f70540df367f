"""``build`` with a real engine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.launcher.conftest import DOCKERFILE, Launcher


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
