"""Docker through its command line: containers, networks and images, each with the stack's label."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from launcher.local.errors import JobError, LocalError
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
        known = self._command("image", "inspect", image).returncode == 0
        pulled = self._command("--config", str(self._config), "pull", "--quiet", image)
        if pulled.returncode:
            cause = _last_line(pulled.stderr)
            raise JobError(f"ClientError: Cannot pull algorithm container: {cause}")
        if not known:
            with self._pulled.open("a") as file:
                file.write(f"{image}\n")

    def start(self, image: str, command: Sequence[str], options: Sequence[str]) -> str:
        """Run a container in the background; gives its id.

        Raises:
            JobError: if it can't be started.
        """
        result = self._command("run", "--detach", *self._labels, *options, image, *command)
        if result.returncode:
            raise JobError(f"ClientError: Cannot start the container: {_last_line(result.stderr)}")
        return result.stdout.strip()

    def wait(self, container: str) -> int:
        """The exit status of a container, once it has ended; one that was removed counts as killed."""
        text = self._command("wait", container).stdout.strip()
        return int(text) if text else _KILLED

    def is_running(self, container: str) -> bool:
        """Whether it runs now."""
        shown = self._command("inspect", "--format", "{{.State.Running}}", container)
        return shown.stdout.strip() == "true"

    def port(self, container: str, inner: int) -> int:
        """The port of this machine behind which a port of the container is; 0 when it has ended already."""
        shown = self._command("port", container, str(inner)).stdout.splitlines()
        return int(shown[0].rpartition(":")[2]) if shown else 0

    def signal(self, container: str, name: str) -> None:
        """Send a signal; nothing happens to one that has ended."""
        self._command("kill", "--signal", name, container)

    def stop(self, container: str, seconds: float) -> None:
        """SIGTERM, then SIGKILL."""
        self._command("stop", "--time", str(round(seconds)), container)

    def remove(self, container: str) -> None:
        """End and remove it with its anonymous volumes."""
        self._command("rm", "--force", "--volumes", container)

    def lines(self, container: str) -> Iterator[str]:
        """What it writes to both streams, line by line, until it ends."""
        command = ["docker", "logs", "--follow", container]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield line.decode(errors="replace").rstrip("\r\n")

    @contextlib.contextmanager
    def network(self, name: str, isolated: bool) -> Iterator[str]:
        """A private network, without a way out if ``isolated``.

        Raises:
            JobError: if it can't be made.
        """
        result = self._command("network", "create", *(["--internal"] * isolated), *self._labels, name)
        if result.returncode:
            raise JobError(f"InternalServerError: no network: {_last_line(result.stderr)}")
        try:
            yield name
        finally:
            self._command("network", "rm", name)

    def remove_all(self) -> None:
        """Remove every container, network and volume with the stack's label, and the images that it pulled."""
        for kind, removal in (("container", ("rm", "--force", "--volumes")), ("network", ("rm",)), ("volume", ("rm",))):
            listing = [kind, "ls", "--quiet", "--filter", self._filter, *(["--all"] if kind == "container" else [])]
            if found := self._command(*listing).stdout.split():
                self._command(kind, *removal, *found)
        if self._pulled.exists() and (images := self._pulled.read_text().split()):
            self._command("image", "rm", "--no-prune", *images)

    def containers(self) -> list[str]:
        """A line for each container that runs."""
        template = "{{.Names}}  {{.Image}}  {{.Status}}"
        return self._command("container", "ls", "--filter", self._filter, "--format", template).stdout.splitlines()

    def answers(self) -> bool:
        """Whether an engine answers."""
        return self._command("version", "--format", "{{.Server.Version}}").returncode == 0

    def _command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise LocalError(
                "there is no `docker` command: install Docker (on Debian: apt-get install docker.io)"
            ) from error


def write_login(directory: Path, registry: str, authorization: str) -> None:
    """A configuration of docker's client that gets into one registry, and touches nobody's own."""
    directory.mkdir()
    path = directory / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": {registry: {"auth": authorization}}}))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "docker failed without a word"
