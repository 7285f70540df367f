"""Two ways to run the commands of the image over a SageMaker-shaped directory: in
Docker, or as processes on this machine.

Both run the same entry points; Docker runs them where SageMaker would.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from launcher.ports import LOOPBACK, free_port

START_SECONDS = 60.0


class RuntimeFailedError(Exception):
    """A command that didn't do its work; the message says which and where to look."""


class Runtime(Protocol):
    """Runs ``train`` and ``serve`` over a base directory."""

    def describe(self) -> str:
        """What runs, in a few words."""

    def train(self, base_dir: Path) -> None:
        """Run a job to its end; raises RuntimeFailedError with the failure file's text."""

    def serve(self, base_dir: Path) -> contextlib.AbstractContextManager[str]:
        """Serve ``base_dir/model``; gives the base URL once ``/ping`` answers 200, and
        stops the server at the end.
        """


@dataclass(frozen=True, slots=True)
class DockerRuntime:
    """The image, in containers that see nothing but the base directory."""

    docker: str
    image: str

    def describe(self) -> str:
        """Names the image."""
        return f"Docker, image {self.image}"

    def train(self, base_dir: Path) -> None:
        """As the protocol says."""
        _run_training(
            [*self._run(base_dir), "--rm", self.image, "train"], None, base_dir
        )

    @contextlib.contextmanager
    def serve(self, base_dir: Path) -> Iterator[str]:
        """As the protocol says."""
        port = free_port()
        command = [
            *self._run(base_dir),
            "--detach",
            "--publish",
            f"{LOOPBACK}:{port}:8080",
            self.image,
            "serve",
        ]
        container = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()
        try:
            yield wait_until_usable(port)
        except RuntimeFailedError as error:
            log = subprocess.run(
                [self.docker, "logs", container],
                capture_output=True,
                text=True,
                check=False,
            )
            raise RuntimeFailedError(f"{error}\n{log.stdout}{log.stderr}") from error
        finally:
            subprocess.run(
                [self.docker, "rm", "--force", container],
                check=True,
                stdout=subprocess.DEVNULL,
            )

    def _run(self, base_dir: Path) -> list[str]:
        # As the calling user, so that what a job writes belongs to whoever typed the
        # command.
        user = f"{os.getuid()}:{os.getgid()}"
        return [
            self.docker,
            "run",
            "--label",
            "org.halfstar=1",
            "--user",
            user,
            "--volume",
            f"{base_dir.resolve()}:/opt/ml",
        ]


@dataclass(frozen=True, slots=True)
class ProcessRuntime:
    """The entry points of this virtual environment."""

    bin_dir: Path = Path(sys.executable).parent

    def describe(self) -> str:
        """Names the directory."""
        return f"processes of {self.bin_dir} (no Docker engine answers)"

    def train(self, base_dir: Path) -> None:
        """As the protocol says."""
        _run_training(
            [str(self.bin_dir / "train")],
            {**os.environ, "SAGEMAKER_BASE_DIR": str(base_dir)},
            base_dir,
        )

    @contextlib.contextmanager
    def serve(self, base_dir: Path) -> Iterator[str]:
        """As the protocol says."""
        port = free_port()
        environment = {
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(base_dir),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        with subprocess.Popen([self.bin_dir / "serve"], env=environment) as process:
            try:
                yield wait_until_usable(port)
            finally:
                process.terminate()


def _run_training(
    command: list[str], environment: dict[str, str] | None, base_dir: Path
) -> None:
    if subprocess.run(command, env=environment, check=False).returncode:
        failure = base_dir / "output" / "failure"
        raise RuntimeFailedError(
            failure.read_text()
            if failure.exists()
            else f"{' '.join(command)} failed without a reason"
        )


def wait_until_usable(port: int, seconds: float = START_SECONDS) -> str:
    """The base URL of a server once its ``/ping`` answers 200.

    Raises:
        RuntimeFailedError: if it doesn't within ``seconds``.
    """
    url = f"http://{LOOPBACK}:{port}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(f"{url}/ping", timeout=2),
        ):
            return url
        time.sleep(0.05)
    raise RuntimeFailedError(f"{url}/ping didn't answer 200 within {seconds:.0f} s")
