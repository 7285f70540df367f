"""Docker's own client, run as a command: the one place that starts it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from launcher.errors import ImageError


def docker() -> str:
    """The path of the docker client.

    Raises:
        ImageError: if there is none.
    """
    found = shutil.which("docker")
    if found is None:
        raise ImageError(
            "there is no `docker` command: install Docker "
            "(on Debian: apt-get install docker.io)"
        )
    return found


def run_docker(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    show: bool = False,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the client to its end, whatever its exit status.

    Args:
        arguments: after ``docker``.
        environment: of the client, ours by default.
        show: let its progress through to stderr instead of keeping it.
        seconds: how long it may take.

    Raises:
        ImageError: if there is no client.
        subprocess.TimeoutExpired: if it takes longer.
    """
    # The client's errors are always kept, to repeat them in one line.
    return subprocess.run(
        [docker(), *arguments],
        stdout=2 if show else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=seconds,
        check=False,
    )


def stream_docker(*arguments: str) -> int:
    """Run the client to its end with its output on our own streams.

    Returns its exit status.

    Raises:
        ImageError: if there is no client.
    """
    return subprocess.run([docker(), *arguments], check=False).returncode


def last_line(text: str) -> str:
    """The last line of docker's output, which says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it failed without a word"
