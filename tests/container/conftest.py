"""The image, built once, and what every test does with it: run a command over a base
directory and see what is left.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.image import ImageFacts, build
from container.layout import lay_out
from container.runtime import wait_until_usable
from launcher.ports import free_port


class Docker:
    """Runs containers of one image; whatever still runs is removed at the end."""

    def __init__(self, image: ImageFacts) -> None:
        self.image = image
        self.started: list[str] = []

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.image.docker, *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def run(
        self, base_dir: Path, *command: str, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return self.command(
            "run", "--rm", *self._options(base_dir), *options, self.image.tag, *command
        )

    def start(
        self, base_dir: Path, *command: str, options: tuple[str, ...] = ()
    ) -> str:
        """Run in the background; gives the container's id."""
        result = self.command(
            "run",
            "--detach",
            *self._options(base_dir),
            *options,
            self.image.tag,
            *command,
        )
        assert result.returncode == 0, result.stderr
        self.started.append(result.stdout.strip())
        return self.started[-1]

    def serve(self, base_dir: Path, *options: str) -> tuple[str, str]:
        """Start ``serve``; gives the container's id and the base URL once ``/ping``
        answers 200.
        """
        port = free_port()
        container = self.start(
            base_dir, "serve", options=("--publish", f"127.0.0.1:{port}:8080", *options)
        )
        return container, wait_until_usable(port)

    def wait(self, container: str) -> int:
        return int(self.command("wait", container).stdout)

    def logs(self, container: str) -> str:
        result = self.command("logs", container)
        return result.stdout + result.stderr

    def close(self) -> None:
        for container in self.started:
            self.command("rm", "--force", container)

    def _options(self, base_dir: Path) -> tuple[str, ...]:
        return (
            "--label",
            "org.halfstar=1",
            "--user",
            f"{os.getuid()}:{os.getgid()}",
            "--volume",
            f"{base_dir}:/opt/ml",
        )


@pytest.fixture(scope="session")
def image() -> ImageFacts:
    """The image of this working tree; building it the first time takes minutes, of
    which the base is half.
    """
    return build("halfstar:test")


@pytest.fixture(scope="session")
def docker(image: ImageFacts) -> Iterator[Docker]:
    runner = Docker(image)
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def trained(
    docker: Docker, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A base directory in which the image has trained on the whole of ml-latest-small,
    with the tutorial's split.
    """
    base_dir = tmp_path_factory.mktemp("trained")
    lay_out(base_dir, data_dir, {"split": "tutorial", "save_predictions": "true"})
    # 512 MB is less than the smallest training instance has.
    result = docker.run(
        base_dir, "train", options=("--memory", "512m", "--memory-swap", "512m")
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return base_dir
