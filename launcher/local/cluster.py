"""The containers of one training job: one a host, on a network of their own where they
are several.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.local.cloud import LogStream
from launcher.local.layout import Channel, checkpoint_path
from launcher.local.platform import Platform

# A host whose peer has failed has no more to say.
_PEER_SECONDS = 5.0


class Cluster:
    """Containers from their start to their end."""

    def __init__(self, platform: Platform, containers: Mapping[str, str]) -> None:
        self._platform = platform
        self._containers = containers
        self._timer: threading.Timer | None = None

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        platform: Platform,
        image: str,
        job: Mapping[str, Any],
        bases: Mapping[str, Path],
        channels: Sequence[Channel],
    ) -> Iterator[Cluster]:
        """Start the containers of all hosts, and remove them at the end.

        Args:
            platform: the stack's parts.
            image: as the engine knows it.
            job: the request.
            bases: by host name, what becomes its ``/opt/ml``.
            channels: of the job.

        Raises:
            JobError: if one can't be started.
        """
        containers: dict[str, str] = {}
        isolated = job.get("EnableNetworkIsolation", False)
        with contextlib.ExitStack() as stack:
            network = "none" if isolated else "bridge"
            if len(bases) > 1:
                name = f"halfstar-{platform.settings.identity}-{job['TrainingJobName']}"
                network = stack.enter_context(platform.docker.network(name, isolated))
            try:
                for host, base in bases.items():
                    options = _options(platform, job, base, channels)
                    placed = ["--network", network, "--hostname", host]
                    if len(bases) > 1:
                        placed += ["--network-alias", host]
                    elif isolated:
                        placed += ["--add-host", f"{host}:127.0.0.1"]
                    containers[host] = platform.docker.start(
                        image, _command(job), [*options, *placed]
                    )
                yield cls(platform, containers)
            finally:
                for container in containers.values():
                    platform.docker.remove(container)

    def run(
        self, streams: Mapping[str, LogStream], read: Callable[[str], None]
    ) -> dict[str, int]:
        """Follow the logs and wait for all; where one fails, the others are ended.
        Gives the exit statuses.
        """
        statuses: dict[str, int] = {}

        def follow(host: str, container: str) -> None:
            for line in self._platform.docker.lines(container):
                streams[host].write(line)
                read(line)

        def wait(host: str, container: str) -> None:
            statuses[host] = self._platform.docker.wait(container)
            if statuses[host]:
                self._end_others(host)

        threads = [
            threading.Thread(target=target, args=pair, daemon=True)
            for pair in self._containers.items()
            for target in (follow, wait)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._timer is not None:
            self._timer.cancel()
        return statuses

    def terminate(self) -> None:
        """SIGTERM now, SIGKILL when the time that the platform gives is over."""
        for container in self._containers.values():
            self._platform.docker.signal(container, "TERM")
        self._timer = threading.Timer(
            self._platform.settings.limits.stop_seconds, self._kill
        )
        self._timer.daemon = True
        self._timer.start()

    def _kill(self) -> None:
        for container in self._containers.values():
            self._platform.docker.signal(container, "KILL")

    def _end_others(self, failed: str) -> None:
        for host, container in self._containers.items():
            if host != failed:
                self._platform.docker.stop(container, _PEER_SECONDS)


def _command(job: Mapping[str, Any]) -> list[str]:
    algorithm = job["AlgorithmSpecification"]
    entry = algorithm.get("ContainerEntrypoint", [])
    return (
        [*entry[1:], *algorithm.get("ContainerArguments", [])] if entry else ["train"]
    )


def _options(
    platform: Platform, job: Mapping[str, Any], base: Path, channels: Sequence[Channel]
) -> list[str]:
    settings = platform.settings
    environment = {
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "TRAINING_JOB_NAME": job["TrainingJobName"],
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        **job.get("Environment", {}),
    }
    options = [*platform.user_options(), "--volume", f"{base}:/opt/ml"]
    for name, value in environment.items():
        options += ["--env", f"{name}={value}"]
    for channel in channels:
        if channel.mode == "FastFile":
            place = f"input/data/{channel.name}"
            options += ["--volume", f"{base / place}:/opt/ml/{place}:ro"]
    if "CheckpointConfig" in job:
        options += ["--volume", f"{checkpoints_of(base)}:{checkpoint_path(job)}"]
    if entry := job["AlgorithmSpecification"].get("ContainerEntrypoint"):
        options += ["--entrypoint", entry[0]]
    return options


def checkpoints_of(base: Path) -> Path:
    """Where a host's checkpoints are on this machine: beside its ``/opt/ml``, as they
    may be mounted anywhere.
    """
    return base.with_name(f"{base.name}-checkpoints")
