"""Runs containers of the image under test, and removes them at the end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from container.base import LABEL
from container.image import ImageFacts
from container.runtime import publish_options, run_options, wait_until_usable
from launcher.docker import run_docker
from launcher.ports import free_port

Finished = subprocess.CompletedProcess[str]

SECONDS = 900.0


class ImageRunner:
    """Runs containers of one image over a base directory."""

    def __init__(self, image: ImageFacts) -> None:
        self.image = image
        self._started: list[str] = []

    def docker(self, *arguments: str) -> Finished:
        """Any docker command."""
        return run_docker(*arguments, seconds=SECONDS)

    def run(
        self, base_dir: Path, *command: str, options: tuple[str, ...] = ()
    ) -> Finished:
        """Run a container to its end."""
        return self.docker(
            "run",
            "--rm",
            *run_options(base_dir),
            *options,
            self.image.tag,
            *command,
        )

    def shell(self, script: str) -> str:
        """What a script of a shell in the image prints."""
        options = ("--rm", "--label", LABEL, "--entrypoint", "sh")
        result = self.docker("run", *options, self.image.tag, "-c", script)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def start(
        self, base_dir: Path, *command: str, options: tuple[str, ...] = ()
    ) -> str:
        """Start a container in the background; gives its id."""
        started = self.docker(
            "run",
            "--detach",
            *run_options(base_dir),
            *options,
            self.image.tag,
            *command,
        )
        assert started.returncode == 0, started.stderr
        container = started.stdout.strip()
        self._started.append(container)
        return container

    def serve(self, base_dir: Path, *options: str) -> tuple[str, str]:
        """Start ``serve``; gives the container's id and its URL once it is usable."""
        port = free_port()
        options = (*publish_options(port), *options)
        container = self.start(base_dir, "serve", options=options)
        return container, wait_until_usable(port)

    def wait(self, container: str) -> int:
        """The exit status of a container, once it has ended."""
        return int(self.docker("wait", container).stdout)

    def logs(self, container: str) -> str:
        """All that a container has printed so far."""
        printed = self.docker("logs", container)
        return printed.stdout + printed.stderr

    def close(self) -> None:
        """Remove all containers that were started in the background."""
        for container in self._started:
            self.docker("rm", "--force", container)
