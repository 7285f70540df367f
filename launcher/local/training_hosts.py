"""The hosts of one training job: a container each, on a network of their own if there
are several.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.local.engine import variables
from launcher.local.input_channels import InputChannel
from launcher.local.log_stream import LogStream
from launcher.local.opt_ml import checkpoints_in_container, checkpoints_on_host
from launcher.local.stack_parts import StackParts

# From SIGTERM to SIGKILL of the other hosts when one has failed.
_PEER_STOP_SECONDS = 5.0


class TrainingHosts:
    """Running containers.

    Args:
        parts: of the stack.
        containers: ids, by host.
    """

    def __init__(self, parts: StackParts, containers: Mapping[str, str]) -> None:
        self._parts = parts
        self._containers = containers
        self._kill_timer: threading.Timer | None = None

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        parts: StackParts,
        image: str,
        job: Mapping[str, Any],
        bases: Mapping[str, Path],
        channels: Sequence[InputChannel],
    ) -> Iterator[TrainingHosts]:
        """Start a container on each host; all are removed at the end of the block.

        Args:
            parts: of the stack.
            image: by the engine's name.
            job: the description of the job.
            bases: what becomes ``/opt/ml``, by host.
            channels: of the job.

        Raises:
            FailureReasonError: if a container can't be started.
        """
        is_isolated = job["EnableNetworkIsolation"]
        has_peers = len(bases) > 1
        containers: dict[str, str] = {}
        with contextlib.ExitStack() as stack:
            network = "none" if is_isolated else "bridge"
            if has_peers:
                identity = parts.settings.identity
                region = parts.settings.region
                network = f"halfstar-{identity}-{region}-{job['TrainingJobName']}"
                stack.enter_context(
                    parts.engine.network(network, is_isolated=is_isolated)
                )
            for host, base in bases.items():
                options = ["--network", network, "--hostname", host]
                if has_peers:
                    options += ["--network-alias", host]
                elif is_isolated:
                    # Without a network, docker gives a host no address of its own.
                    options += ["--add-host", f"{host}:127.0.0.1"]
                options += _job_options(parts.settings.region, job, base, channels)
                container = parts.engine.start(image, _command(job), options)
                stack.callback(parts.engine.remove, container)
                containers[host] = container
            yield cls(parts, containers)

    def run(
        self, streams: Mapping[str, LogStream], read_line: Callable[[str], None]
    ) -> dict[str, int]:
        """Wait for all hosts; if one fails, the others are ended.

        Args:
            streams: where each host's log goes.
            read_line: is called with each line of each log.

        Returns:
            Exit statuses, by host.
        """
        statuses: dict[str, int] = {}

        def follow_log(host: str, container: str) -> None:
            for line in self._parts.engine.lines(container):
                streams[host].write(line)
                read_line(line)

        def wait(host: str, container: str) -> None:
            statuses[host] = self._parts.engine.wait(container)
            if statuses[host]:
                self._end_others(host)

        threads = []
        for host_and_container in self._containers.items():
            for target in (follow_log, wait):
                thread = threading.Thread(
                    target=target, args=host_and_container, daemon=True
                )
                threads.append(thread)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        if self._kill_timer is not None:
            self._kill_timer.cancel()
        return statuses

    def terminate(self) -> None:
        """Send SIGTERM now, and SIGKILL after the time that the platform gives."""
        self._signal("TERM")
        seconds = self._parts.settings.limits.stop_seconds
        self._kill_timer = threading.Timer(seconds, self._signal, ["KILL"])
        self._kill_timer.daemon = True
        self._kill_timer.start()

    def _signal(self, name: str) -> None:
        for container in self._containers.values():
            self._parts.engine.signal(container, name)

    def _end_others(self, failed_host: str) -> None:
        for host, container in self._containers.items():
            if host != failed_host:
                self._parts.engine.stop(container, _PEER_STOP_SECONDS)


def _command(job: Mapping[str, Any]) -> list[str]:
    """The container's arguments; `_job_options` has the first word of an entrypoint."""
    algorithm = job["AlgorithmSpecification"]
    entrypoint = algorithm.get("ContainerEntrypoint")
    if not entrypoint:
        return ["train"]
    return [*entrypoint[1:], *algorithm.get("ContainerArguments", [])]


def _job_options(
    region: str,
    job: Mapping[str, Any],
    base: Path,
    channels: Sequence[InputChannel],
) -> list[str]:
    environment = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "TRAINING_JOB_NAME": job["TrainingJobName"],
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        **job.get("Environment", {}),
    }
    options = ["--volume", f"{base}:/opt/ml", *variables(environment)]
    for channel in channels:
        if channel.mode == "FastFile":
            path = f"input/data/{channel.name}"
            options += ["--volume", f"{base / path}:/opt/ml/{path}:ro"]
    if "CheckpointConfig" in job:
        inside = checkpoints_in_container(job)
        options += ["--volume", f"{checkpoints_on_host(base)}:{inside}"]
    entrypoint = job["AlgorithmSpecification"].get("ContainerEntrypoint")
    if entrypoint:
        options += ["--entrypoint", entrypoint[0]]
    return options
