"""The examples for AWS's own SDKs, run in local mode in the SDKs' own environments; see
`make test-sdk`.

The tests look at the artifact and the predictions, never at words like "completed".
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
from launcher.docker import run_docker
from tests.sdk.compose import docker_environment

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data" / "ml-latest-small"
# The SDKs report their use to AWS unless they are configured not to.
NO_TELEMETRY = """
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


def made_by_compose(kind: str, *options: str) -> set[str]:
    """The ids of compose's containers or networks."""
    listed = run_docker(
        kind,
        "ls",
        *("--quiet", "--no-trunc"),
        *("--filter", "label=com.docker.compose.project"),
        *options,
    )
    assert listed.returncode == 0, listed.stderr
    return set(listed.stdout.split())


@pytest.fixture(scope="session", autouse=True)
def clean_up() -> Iterator[None]:
    """Remove containers and networks, which the SDKs leave behind."""
    containers_before = made_by_compose("container", "--all")
    networks_before = made_by_compose("network")
    yield
    containers = made_by_compose("container", "--all") - containers_before
    if containers:
        removed = run_docker("container", "rm", "--force", "--volumes", *containers)
        assert removed.returncode == 0, removed.stderr
    networks = made_by_compose("network") - networks_before
    if networks:
        removed = run_docker("network", "rm", *networks)
        assert removed.returncode == 0, removed.stderr


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    configuration = tmp_path_factory.mktemp("sdk") / "config.yaml"
    configuration.write_text(NO_TELEMETRY)
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


def sdk_command(version: int, command: str) -> str:
    """A command of the SDK's environment."""
    return str(ROOT / f".venv-sdk{version}" / "bin" / command)


def run_example(
    version: int, image: str, data: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    script = ROOT / "examples" / f"sdk_v{version}.py"
    return subprocess.run(
        [sdk_command(version, "python"), str(script), image, str(data)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def result(version: int, image: str, environment: dict[str, str]) -> dict[str, Any]:
    """What an example prints."""
    ended = run_example(version, image, DATA, environment)
    printed = ended.stdout
    assert ended.returncode == 0, printed + ended.stderr

    last_line = printed.splitlines()[-1]
    # Docker's progress may precede it on the same line.
    start = last_line.index("{")
    found: dict[str, Any] = json.loads(last_line[start:])
    return found


@pytest.fixture(scope="session")
def version_2(image: str, environment: dict[str, str]) -> dict[str, Any]:
    return result(2, image, environment)


def test_version_2_trains_deploys_and_transforms(version_2: dict[str, Any]) -> None:
    with tarfile.open(version_2["model"].removeprefix("file://")) as archive:
        assert "manifest.json" in archive.getnames()
    predictions = version_2["predictions"]
    assert [prediction["title"] for prediction in predictions] == [
        "Shawshank Redemption, The (1994)",
        "Toy Story (1995)",
    ]
    ratings = [prediction["rating"] for prediction in predictions]
    assert [float(line) for line in version_2["batch"] if line] == ratings


def test_version_3_trains_and_serves_the_same_model(
    version_2: dict[str, Any], image: str, environment: dict[str, str]
) -> None:
    version_3 = result(3, image, environment)
    with tarfile.open(version_3["model"]) as archive:
        assert "manifest.json" in archive.getnames()
    assert version_3["predictions"] == version_2["predictions"]


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
    ended = run_example(version, image, tmp_path, environment)
    assert ended.returncode != 0
    assert "rating is '4.7', expected half stars" in ended.stdout + ended.stderr


def test_each_sdk_has_an_environment_of_its_own() -> None:
    assert "sagemaker" not in sys.modules
    for version in (2, 3):
        command = [sdk_command(version, "pip"), "show", "sagemaker"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"Version: {version}." in shown.stdout
