"""The hosts of one training job: a container each, on a network of their own if there
are several.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.local.checkpoint_sync import CheckpointSync
from launcher.local.engine import variables
from launcher.local.input_channels import InputChannel, InputObject
from launcher.local.log_stream import LogStream
from launcher.local.opt_ml import (
    checkpoints_in_container,
    checkpoints_on_host,
    make_directories,
)
from launcher.local.pipe_feeder import PipeFeeder
from launcher.local.service_clients import parse_s3_uri
from launcher.local.stack_parts import StackParts

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# From SIGTERM to SIGKILL of the other hosts when one has failed.
_PEER_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TrainingHost:
    """One host.

    Attributes:
        parts: of the stack.
        job: the description of the job.
        name: of the host.
        base: what becomes its ``/opt/ml``.
        shards: its objects of each channel.
    """

    parts: StackParts
    job: Mapping[str, Any]
    name: str
    base: Path
    shards: Sequence[tuple[InputChannel, Sequence[InputObject]]]

    def prepare(self, hosts: Sequence[str]) -> None:
        """Make its ``/opt/ml``, with the channels that aren't pipes.

        Args:
            hosts: the names of all hosts.

        Raises:
            FailureReasonError: if an object can't be downloaded.
        """
        channels = [channel for channel, _ in self.shards]
        make_directories(self.base, self.job, channels, hosts, self.name)
        for channel, objects in self.shards:
            if channel.mode != "Pipe":
                directory = self.base / "input" / "data" / channel.name
                directory.mkdir()
                for entry in objects:
                    self.parts.clients.download(entry.source, directory / entry.path)

    def start(
        self, image: str, options: Sequence[str], stack: contextlib.ExitStack
    ) -> tuple[str, LogStream]:
        """Start its container, and all that goes with it: checkpoints are kept in step
        with S3, and pipes are fed.

        Args:
            image: by the engine's name.
            options: of ``docker run``, about the network.
            stack: ends all of it when it is closed.

        Returns:
            The container's id, and where its log goes.

        Raises:
            FailureReasonError: if the container can't be started.
        """
        clients = self.parts.clients
        if "CheckpointConfig" in self.job:
            remote = parse_s3_uri(self.job["CheckpointConfig"]["S3Uri"])
            sync = CheckpointSync(clients, remote, checkpoints_on_host(self.base))
            sync.restore()
            sync.start()
            stack.callback(sync.stop)
        for channel, objects in self.shards:
            if channel.mode == "Pipe":
                data_dir = self.base / "input" / "data"
                feeder = PipeFeeder(clients, channel, objects, data_dir)
                feeder.start()
                stack.callback(feeder.stop)
        # A further attempt has further streams.
        name = f"{self.job['TrainingJobName']}/{self.name}-{int(time.time())}"
        stream = LogStream(clients, LOG_GROUP, name)
        stack.callback(stream.close)
        algorithm = self.job["AlgorithmSpecification"]
        command = ["train"]
        options = [*options, *self._options()]
        if "ContainerEntrypoint" in algorithm:
            entrypoint, *command = algorithm["ContainerEntrypoint"]
            command += algorithm.get("ContainerArguments", [])
            options += ["--entrypoint", entrypoint]
        container = self.parts.engine.start(image, command, options)
        stack.callback(self.parts.engine.remove, container)
        return container, stream

    def _options(self) -> list[str]:
        region = self.parts.settings.region
        environment = {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "TRAINING_JOB_NAME": self.job["TrainingJobName"],
            "TRAINING_JOB_ARN": self.job["TrainingJobArn"],
            **self.job.get("Environment", {}),
        }
        volumes = [f"{self.base}:/opt/ml"]
        for channel, _ in self.shards:
            if channel.mode == "FastFile":
                path = f"input/data/{channel.name}"
                volumes.append(f"{self.base / path}:/opt/ml/{path}:ro")
        if "CheckpointConfig" in self.job:
            inside = checkpoints_in_container(self.job)
            volumes.append(f"{checkpoints_on_host(self.base)}:{inside}")
        options = variables(environment)
        for volume in volumes:
            options += ["--volume", volume]
        return options


class TrainingHosts:
    """Running containers.

    Args:
        parts: of the stack.
        running: a container's id and where its log goes, by host.
    """

    def __init__(
        self, parts: StackParts, running: Mapping[str, tuple[str, LogStream]]
    ) -> None:
        self._parts = parts
        self._running = running
        self._kill_timer: threading.Timer | None = None

    @classmethod
    @contextlib.contextmanager
    def started(
        cls, parts: StackParts, image: str, hosts: Sequence[TrainingHost]
    ) -> Iterator[TrainingHosts]:
        """Start a container on each host; all are removed at the end of the block.

        Args:
            parts: of the stack.
            image: by the engine's name.
            hosts: which are prepared.

        Raises:
            FailureReasonError: if a container can't be started.
        """
        job = hosts[0].job
        is_isolated = job["EnableNetworkIsolation"]
        network = "none" if is_isolated else "bridge"
        with contextlib.ExitStack() as stack:
            if len(hosts) > 1:
                stack_name = f"{parts.settings.identity}-{parts.settings.region}"
                network = f"halfstar-{stack_name}-{job['TrainingJobName']}"
                stack.enter_context(
                    parts.engine.network(network, is_isolated=is_isolated)
                )
            running = {}
            for host in hosts:
                options = ["--network", network, "--hostname", host.name]
                if len(hosts) > 1:
                    options += ["--network-alias", host.name]
                elif is_isolated:
                    # Without a network, docker gives a host no address of its own.
                    options += ["--add-host", f"{host.name}:127.0.0.1"]
                running[host.name] = host.start(image, options, stack)
            yield cls(parts, running)

    def run(self, read_line: Callable[[str], None]) -> dict[str, int]:
        """Wait for all hosts; if one fails, the others are ended.

        Args:
            read_line: is called with each line of each log.

        Returns:
            Exit statuses, by host, in the order in which the containers ended.
        """
        statuses: dict[str, int] = {}

        def follow_log(container: str, stream: LogStream) -> None:
            for line in self._parts.engine.lines(container):
                stream.write(line)
                read_line(line)

        def wait(host: str, container: str) -> None:
            statuses[host] = self._parts.engine.wait(container)
            if statuses[host]:
                self._end_others(host)

        futures = []
        with ThreadPoolExecutor(2 * len(self._running), "host") as pool:
            for host, (container, stream) in self._running.items():
                futures.append(pool.submit(follow_log, container, stream))
                futures.append(pool.submit(wait, host, container))
        for future in futures:
            future.result()
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
        for container, _ in self._running.values():
            self._parts.engine.signal(container, name)

    def _end_others(self, failed_host: str) -> None:
        for host, (container, _) in self._running.items():
            if host != failed_host:
                self._parts.engine.stop(container, _PEER_STOP_SECONDS)
