"""Docker, as one stack uses it: containers, networks and images, all of them with the
stack's label.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from launcher.docker import docker, last_line, run_docker
from launcher.local.errors import FailureReasonError
from launcher.local.settings import StackSettings
from launcher.ports import LOOPBACK

# The exit status after SIGKILL, as shells and docker give it.
_KILLED = 137
# What docker prints where an image has no tag or no digest.
_NONE = "<none>"


class DockerEngine:
    """The engine of this machine."""

    def __init__(self, settings: StackSettings) -> None:
        self._labels = ("--label", "org.halfstar=1", "--label", settings.label)
        self._filter = ("--filter", f"label={settings.label}")
        self._config = settings.directory / "docker"
        self._registry = settings.registry
        self._prefix = f"halfstar-{settings.identity}-{settings.region}"

    def pull(self, image: str) -> None:
        """Pull an image, even if it is here already, as SageMaker does.

        Raises:
            FailureReasonError: if that fails.
        """
        pull = ("--config", str(self._config), "pull", "--quiet", image)
        _run("ClientError: Cannot pull algorithm container", *pull)

    def start(self, image: str, command: Sequence[str], options: Sequence[str]) -> str:
        """Run a container in the background.

        SageMaker runs containers as root. If we aren't root, they run as us, so that
        we can remove the files that they write.

        Args:
            image: its name.
            command: after the image.
            options: of ``docker run``.

        Returns:
            The container's id.

        Raises:
            FailureReasonError: if it can't be started.
        """
        user = []
        if os.geteuid() != 0:
            user = ["--user", f"{os.geteuid()}:{os.getegid()}"]
        stopped_by = ("--stop-signal", "SIGTERM")
        all_options = [*self._labels, *stopped_by, *user, *options]
        failure = "ClientError: Cannot start the container"
        return _run(failure, "run", "--detach", *all_options, image, *command)

    def wait(self, container: str) -> int:
        """The exit status of a container, once it has ended.

        One that was removed meanwhile counts as killed.
        """
        status = run_docker("wait", container).stdout.strip()
        return int(status) if status else _KILLED

    def is_running(self, container: str) -> bool:
        """Whether a container runs now."""
        shown = run_docker("inspect", "--format", "{{.State.Running}}", container)
        return shown.stdout.strip() == "true"

    def address(self, container: str, port: int) -> tuple[str, int]:
        """Where this machine reaches a port of a container: where it is published, or
        in the container's own network. The host is empty if the container has ended.
        """
        published = run_docker("port", container, str(port)).stdout.splitlines()
        if published:
            return LOOPBACK, int(published[0].rpartition(":")[2])
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        shown = run_docker("inspect", "--format", template, container)
        return shown.stdout.strip(), port

    def stop(self, container: str, seconds: float) -> None:
        """Send SIGTERM, and after ``seconds`` SIGKILL."""
        run_docker("stop", "--time", str(round(seconds)), container)

    def remove(self, container: str) -> None:
        """End a container, and remove it with its anonymous volumes."""
        run_docker("rm", "--force", "--volumes", container)

    def lines(self, container: str) -> Iterator[str]:
        """The lines that a container writes, to either stream, until it ends."""
        command = [docker(), "logs", "--follow", container]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield line.decode(errors="replace").rstrip("\r\n")

    @contextlib.contextmanager
    def network(self, purpose: str, *, is_isolated: bool) -> Iterator[str]:
        """The name of a network that is there within the block.

        Args:
            purpose: the end of the name, which no other network of the region has.
            is_isolated: whether its containers are cut off from everything else.

        Raises:
            FailureReasonError: if it can't be made.
        """
        isolation = ["--internal"] if is_isolated else []
        name = f"{self._prefix}-{purpose}"
        create = ("network", "create", *isolation, *self._labels, name)
        _run("InternalServerError: no network", *create)
        try:
            yield name
        finally:
            run_docker("network", "rm", name)

    def remove_all(self) -> None:
        """Remove the stack's containers, networks and volumes, and every name that an
        image has of its registry, whether it was pulled or is to be pushed.
        """
        containers = self._ids("container", "--all")
        if containers:
            run_docker("container", "rm", "--force", "--volumes", *containers)
        for kind in ("network", "volume"):
            ids = self._ids(kind)
            if ids:
                run_docker(kind, "rm", *ids)
        images = self._image_names()
        if images:
            run_docker("image", "rm", "--force", "--no-prune", *images)

    def _image_names(self) -> list[str]:
        template = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
        listed = run_docker("image", "ls", "--digests", "--format", template)
        return [
            name
            for name in listed.stdout.split()
            if name.startswith(f"{self._registry}/") and _NONE not in name
        ]

    def _ids(self, kind: str, *options: str) -> list[str]:
        listed = run_docker(kind, "ls", "--quiet", *self._filter, *options)
        return listed.stdout.split()

    def containers(self) -> list[str]:
        """A line for each running container: name, image and state."""
        template = "{{.Names}}  {{.Image}}  {{.Status}}"
        listed = run_docker("container", "ls", *self._filter, "--format", template)
        return listed.stdout.splitlines()

    def answers(self) -> bool:
        """Whether there is an engine behind the client."""
        return run_docker("version", "--format", "{{.Server.Version}}").returncode == 0


def _run(failure: str, *arguments: str) -> str:
    """What docker prints; if it fails, its cause after ``failure``."""
    done = run_docker(*arguments)
    if done.returncode:
        raise FailureReasonError(f"{failure}: {last_line(done.stderr)}")
    return done.stdout.strip()


def variables(region: str, *environments: Mapping[str, str]) -> list[str]:
    """The ``--env`` options of ``docker run``: the region's variables, then those of
    each environment; later ones win.
    """
    environment = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    for each in environments:
        environment |= each
    return [
        option
        for name, value in environment.items()
        for option in ("--env", f"{name}={value}")
    ]
