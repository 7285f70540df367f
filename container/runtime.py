"""Two ways to run ``train`` and ``serve`` over a folder laid out like ``/opt/ml``.

`DockerRuntime` runs them in containers, as SageMaker would. `ProcessRuntime` runs the
same entry points as processes of this machine.
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

from container.base import LABEL
from launcher.docker import last_line, run_docker, stream_docker
from launcher.ports import LOOPBACK, free_port

CONTAINER_PORT = 8080
START_SECONDS = 60.0
POLL_SECONDS = 0.05


class RuntimeFailedError(Exception):
    """A command failed; the message says which one and where to look."""


class Runtime(Protocol):
    """Runs ``train`` and ``serve`` over a base directory."""

    def describe(self) -> str:
        """What runs them, in a few words."""

    def train(self, base_dir: Path) -> None:
        """Run a job to its end.

        Raises:
            RuntimeFailedError: if the job fails, with the text of its failure file.
        """

    def serve(self, base_dir: Path) -> contextlib.AbstractContextManager[str]:
        """Serve ``base_dir/model`` while the context is open.

        Gives the base URL once ``/ping`` answers 200.

        Raises:
            RuntimeFailedError: if it doesn't answer in time.
        """


@dataclass(frozen=True, slots=True)
class DockerRuntime:
    """The image, in containers that see only the base directory."""

    image: str

    def describe(self) -> str:
        """Names the image."""
        return f"Docker, image {self.image}"

    def train(self, base_dir: Path) -> None:
        """See `Runtime.train`."""
        options = run_options(base_dir)
        if stream_docker("run", "--rm", *options, self.image, "train"):
            raise RuntimeFailedError(_failure(base_dir))

    @contextlib.contextmanager
    def serve(self, base_dir: Path) -> Iterator[str]:
        """See `Runtime.serve`."""
        port = free_port()
        options = [*run_options(base_dir), *publish_options(port)]
        started = run_docker("run", "--detach", *options, self.image, "serve")
        if started.returncode:
            raise RuntimeFailedError(f"docker run: {last_line(started.stderr)}")

        container = started.stdout.strip()
        try:
            yield wait_until_usable(port)
        except RuntimeFailedError as error:
            log = run_docker("logs", container)
            raise RuntimeFailedError(f"{error}\n{log.stdout}{log.stderr}") from error
        finally:
            run_docker("rm", "--force", container)


@dataclass(frozen=True, slots=True)
class ProcessRuntime:
    """The entry points of this virtual environment."""

    bin_dir: Path = Path(sys.executable).parent

    def describe(self) -> str:
        """Names the directory."""
        return f"processes of {self.bin_dir} (no Docker engine answers)"

    def train(self, base_dir: Path) -> None:
        """See `Runtime.train`."""
        environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base_dir)}
        done = subprocess.run([self.bin_dir / "train"], env=environment, check=False)
        if done.returncode:
            raise RuntimeFailedError(_failure(base_dir))

    @contextlib.contextmanager
    def serve(self, base_dir: Path) -> Iterator[str]:
        """See `Runtime.serve`."""
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


def run_options(base_dir: Path) -> list[str]:
    """Options of ``docker run`` that put ``base_dir`` at ``/opt/ml``.

    The container runs as the calling user, so what a job writes belongs to that user.
    """
    user = f"{os.getuid()}:{os.getgid()}"
    volume = f"{base_dir.resolve()}:/opt/ml"
    return ["--label", LABEL, "--user", user, "--volume", volume]


def publish_options(port: int) -> list[str]:
    """Options of ``docker run`` that make the server answer on ``port`` here."""
    return ["--publish", f"{LOOPBACK}:{port}:{CONTAINER_PORT}"]


def wait_until_usable(port: int, seconds: float = START_SECONDS) -> str:
    """The base URL of a local server once its ``/ping`` answers 200.

    Raises:
        RuntimeFailedError: if that takes longer than ``seconds``.
    """
    url = f"http://{LOOPBACK}:{port}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(f"{url}/ping", timeout=2),
        ):
            return url
        time.sleep(POLL_SECONDS)
    raise RuntimeFailedError(f"{url}/ping didn't answer 200 within {seconds:.0f} s")


def _failure(base_dir: Path) -> str:
    """Why a job failed, by its failure file."""
    failure = base_dir / "output" / "failure"
    if failure.exists():
        return failure.read_text()
    return f"train failed and didn't write {failure}; its output above says why"
