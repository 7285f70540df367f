"""Docker through its command line: containers, networks and images, each with the
stack's label.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from launcher.docker import last_line, run_docker
from launcher.local.errors import JobError
from launcher.local.settings import Settings

_KILLED = 137


class Docker:
    """The engine, as one stack uses it."""

    def __init__(self, settings: Settings) -> None:
        self._labels = ("--label", "org.halfstar=1", "--label", settings.label)
        self._filter = f"label={settings.label}"
        self._config = settings.directory / "docker"
        self._pulled = settings.directory / "pulled"

    def pull(self, image: str) -> None:
        """Have an image, fetched from its registry every time, as the platform does.

        Raises:
            JobError: if it doesn't come.
        """
        known = run_docker("image", "inspect", image).returncode == 0
        pulled = run_docker("--config", str(self._config), "pull", "--quiet", image)
        if pulled.returncode:
            cause = last_line(pulled.stderr)
            raise JobError(f"ClientError: Cannot pull algorithm container: {cause}")
        if not known:
            with self._pulled.open("a") as file:
                file.write(f"{image}\n")

    def start(self, image: str, command: Sequence[str], options: Sequence[str]) -> str:
        """Run a container in the background; gives its id.

        Raises:
            JobError: if it can't be started.
        """
        result = run_docker("run", "--detach", *self._labels, *options, image, *command)
        if result.returncode:
            raise JobError(
                f"ClientError: Cannot start the container: {last_line(result.stderr)}"
            )
        return result.stdout.strip()

    def wait(self, container: str) -> int:
        """The exit status of a container, once it has ended; one that was removed
        counts as killed.
        """
        text = run_docker("wait", container).stdout.strip()
        return int(text) if text else _KILLED

    def is_running(self, container: str) -> bool:
        """Whether it runs now."""
        shown = run_docker("inspect", "--format", "{{.State.Running}}", container)
        return shown.stdout.strip() == "true"

    def port(self, container: str, inner: int) -> int:
        """The port of this machine behind which a port of the container is; 0 when it
        has ended already.
        """
        shown = run_docker("port", container, str(inner)).stdout.splitlines()
        return int(shown[0].rpartition(":")[2]) if shown else 0

    def signal(self, container: str, name: str) -> None:
        """Send a signal; nothing happens to one that has ended."""
        run_docker("kill", "--signal", name, container)

    def stop(self, container: str, seconds: float) -> None:
        """SIGTERM, then SIGKILL."""
        run_docker("stop", "--time", str(round(seconds)), container)

    def remove(self, container: str) -> None:
        """End and remove it with its anonymous volumes."""
        run_docker("rm", "--force", "--volumes", container)

    def lines(self, container: str) -> Iterator[str]:
        """What it writes to both streams, line by line, until it ends."""
        command = ["docker", "logs", "--follow", container]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield line.decode(errors="replace").rstrip("\r\n")

    @contextlib.contextmanager
    def network(self, name: str, isolated: bool) -> Iterator[str]:
        """A private network, without a way out if ``isolated``.

        Raises:
            JobError: if it can't be made.
        """
        result = run_docker(
            "network", "create", *(["--internal"] * isolated), *self._labels, name
        )
        if result.returncode:
            raise JobError(
                f"InternalServerError: no network: {last_line(result.stderr)}"
            )
        try:
            yield name
        finally:
            run_docker("network", "rm", name)

    def remove_all(self) -> None:
        """Remove every container, network and volume with the stack's label, and the
        images that it pulled.
        """
        for kind, removal in (
            ("container", ("rm", "--force", "--volumes")),
            ("network", ("rm",)),
            ("volume", ("rm",)),
        ):
            listing = [
                kind,
                "ls",
                "--quiet",
                "--filter",
                self._filter,
                *(["--all"] if kind == "container" else []),
            ]
            if found := run_docker(*listing).stdout.split():
                run_docker(kind, *removal, *found)
        if self._pulled.exists() and (images := self._pulled.read_text().split()):
            run_docker("image", "rm", "--no-prune", *images)

    def containers(self) -> list[str]:
        """A line for each container that runs."""
        template = "{{.Names}}  {{.Image}}  {{.Status}}"
        return run_docker(
            "container", "ls", "--filter", self._filter, "--format", template
        ).stdout.splitlines()

    def answers(self) -> bool:
        """Whether an engine answers."""
        return run_docker("version", "--format", "{{.Server.Version}}").returncode == 0


def write_login(directory: Path, registry: str, authorization: str) -> None:
    """A configuration of docker's client that gets into one registry, and touches
    nobody's own.
    """
    directory.mkdir()
    path = directory / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": {registry: {"auth": authorization}}}))
