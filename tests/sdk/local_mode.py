"""Local mode with AWS's own SDKs: the examples, run in the SDKs' own environments; see
`make test-sdk`.

What counts is the artifact and the predictions, never a word like "completed".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from container.image import build
from tests.sdk.compose import docker_environment

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data" / "ml-latest-small"
# The SDKs report their use to AWS unless they are told not to.
CONFIGURATION = 'SchemaVersion: "1.0"\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n'


def left(kind: str, *options: str) -> set[str]:
    """What compose has made and nobody has removed."""
    command = [
        "docker",
        kind,
        "ls",
        "--quiet",
        "--no-trunc",
        "--filter",
        "label=com.docker.compose.project",
        *options,
    ]
    return set(
        subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.split()
    )


@pytest.fixture(scope="session", autouse=True)
def cleared_away() -> Iterator[None]:
    """The SDKs leave their containers and networks behind."""
    containers, networks = left("container", "--all"), left("network")
    yield
    if made := left("container", "--all") - containers:
        subprocess.run(
            ["docker", "container", "rm", "--force", "--volumes", *made],
            check=True,
            stdout=2,
        )
    if made := left("network") - networks:
        subprocess.run(["docker", "network", "rm", *made], check=True, stdout=2)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    configuration = tmp_path_factory.mktemp("sdk") / "config.yaml"
    configuration.write_text(CONFIGURATION)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    }
    return {
        **docker_environment(ROOT / "build" / "compose", inherited),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "TMPDIR": str(tmp_path_factory.mktemp("temporary")),
    }


@pytest.fixture(scope="session")
def image() -> str:
    return build("halfstar:test").tag


def example(
    version: int, image: str, data: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    python = ROOT / f".venv-sdk{version}" / "bin" / "python"
    command = [
        str(python),
        str(ROOT / "examples" / f"sdk_v{version}.py"),
        image,
        str(data),
    ]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def result(version: int, image: str, environment: dict[str, str]) -> dict[str, Any]:
    done = example(version, image, DATA, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    # Docker's progress stands on the same line.
    last = done.stdout.splitlines()[-1]
    return dict(json.loads(last[last.index("{") :]))


@pytest.fixture(scope="session")
def second(image: str, environment: dict[str, str]) -> dict[str, Any]:
    return result(2, image, environment)


def test_version_2_trains_deploys_and_transforms(second: dict[str, Any]) -> None:
    with tarfile.open(second["model"].removeprefix("file://")) as archive:
        assert "manifest.json" in archive.getnames()
    assert [answer["title"] for answer in second["predictions"]] == [
        "Shawshank Redemption, The (1994)",
        "Toy Story (1995)",
    ]
    assert [float(line) for line in second["batch"] if line] == [
        answer["rating"] for answer in second["predictions"]
    ]


def test_version_3_trains_and_serves_the_same_model(
    second: dict[str, Any], image: str, environment: dict[str, str]
) -> None:
    third = result(3, image, environment)
    with tarfile.open(third["model"]) as archive:
        assert "manifest.json" in archive.getnames()
    assert third["predictions"] == second["predictions"]


@pytest.mark.parametrize("version", [2, 3])
def test_a_job_that_fails_leaves_no_model(
    image: str, environment: dict[str, str], tmp_path: Path, version: int
) -> None:
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.7,5\n"
    )
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n1,Toy Story (1995),Comedy\n"
    )
    done = example(version, image, tmp_path, environment)
    assert done.returncode != 0
    assert "rating is '4.7', expected half stars" in done.stdout + done.stderr


def test_the_environments_are_apart() -> None:
    assert "sagemaker" not in sys.modules
    for version in (2, 3):
        command = [
            str(ROOT / f".venv-sdk{version}" / "bin" / "pip"),
            "show",
            "sagemaker",
        ]
        shown = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout
        assert f"Version: {version}." in shown
