"""The hosts of one training job: a container each, on a network of their own if there
are several.

What a container finds in ``/opt/ml`` follows the developer guide's "How Amazon
SageMaker provides training information".
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.local.archives import is_plain
from launcher.local.checkpoint_sync import CheckpointSync
from launcher.local.engine import variables
from launcher.local.errors import REASON_CHARACTERS
from launcher.local.input_channels import InputChannel, InputObject
from launcher.local.log_stream import LogStream
from launcher.local.pipe_feeder import PipeFeeder
from launcher.local.service_clients import parse_s3_uri
from launcher.local.stack_parts import StackParts

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# From SIGTERM to SIGKILL of the other hosts when one has failed.
_PEER_STOP_SECONDS = 5.0
_DEFAULT_CHECKPOINTS = "/opt/ml/checkpoints"
_INSTANCE_GROUP = "homogeneousCluster"


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
        config = self.base / "input" / "config"
        data = self.base / "input" / "data"
        outputs = (self.base / "model", self.base / "output" / "data")
        for directory in (config, data, *outputs):
            directory.mkdir(parents=True)
        for name, document in self._documents(hosts).items():
            (config / f"{name}.json").write_text(json.dumps(document))
        for channel, objects in self.shards:
            if channel.mode != "Pipe":
                directory = data / channel.name
                directory.mkdir()
                for entry in objects:
                    self.parts.clients.download(entry.source, directory / entry.path)

    def _documents(self, hosts: Sequence[str]) -> dict[str, Any]:
        """The JSON documents of ``input/config``."""
        instance_type = self.job["ResourceConfig"]["InstanceType"]
        group = {
            "instance_group_name": _INSTANCE_GROUP,
            "instance_type": instance_type,
            "hosts": list(hosts),
        }
        resources = {
            "current_host": self.name,
            "current_instance_type": instance_type,
            "current_group_name": _INSTANCE_GROUP,
            "hosts": list(hosts),
            "instance_groups": [group],
            "network_interface_name": "eth0",
        }
        documents = {
            "hyperparameters": self.job.get("HyperParameters", {}),
            "inputdataconfig": {each.name: each.declared for each, _ in self.shards},
            "resourceconfig": resources,
        }
        if "CheckpointConfig" in self.job:
            documents["checkpointconfig"] = {"LocalPath": self._inner_checkpoints}
        return documents

    @property
    def _inner_checkpoints(self) -> str:
        """Where the container finds them, which may be outside ``/opt/ml``."""
        return str(self.job["CheckpointConfig"].get("LocalPath", _DEFAULT_CHECKPOINTS))

    @property
    def _checkpoints(self) -> Path:
        """What is mounted there: a neighbour of ``base``."""
        return self.base.with_name(f"{self.name}-checkpoints")

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
            sync = CheckpointSync(clients, remote, self._checkpoints)
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
        names = {
            "TRAINING_JOB_NAME": self.job["TrainingJobName"],
            "TRAINING_JOB_ARN": self.job["TrainingJobArn"],
        }
        own = self.job.get("Environment", {})
        volumes = [f"{self.base}:/opt/ml"]
        for channel, _ in self.shards:
            if channel.mode == "FastFile":
                path = f"input/data/{channel.name}"
                volumes.append(f"{self.base / path}:/opt/ml/{path}:ro")
        if "CheckpointConfig" in self.job:
            volumes.append(f"{self._checkpoints}:{self._inner_checkpoints}")
        options = variables(self.parts.settings.region, names, own)
        for volume in volumes:
            options += ["--volume", volume]
        return options


class TrainingHosts:
    """Running containers, one on each host.

    Args:
        parts: of the stack.
        image: by the engine's name.
        hosts: which are prepared.
        stack: ends and removes all of it when it is closed.

    Raises:
        FailureReasonError: if a container can't be started.
    """

    def __init__(
        self,
        parts: StackParts,
        image: str,
        hosts: Sequence[TrainingHost],
        stack: contextlib.ExitStack,
    ) -> None:
        self._engine = parts.engine
        self._stop_seconds = parts.settings.limits.stop_seconds
        # A container's id and where its log goes, by host.
        self._running: dict[str, tuple[str, LogStream]] = {}
        job = hosts[0].job
        is_isolated = job["EnableNetworkIsolation"]
        network = "none" if is_isolated else "bridge"
        if len(hosts) > 1:
            name = job["TrainingJobName"]
            own = self._engine.network(name, is_isolated=is_isolated)
            network = stack.enter_context(own)
        for host in hosts:
            options = ["--network", network, "--hostname", host.name]
            if len(hosts) > 1:
                options += ["--network-alias", host.name]
            elif is_isolated:
                # Without a network, docker gives a host no address of its own.
                options += ["--add-host", f"{host.name}:127.0.0.1"]
            self._running[host.name] = host.start(image, options, stack)

    def run(self, read_line: Callable[[str], None]) -> dict[str, int]:
        """Wait for all hosts; if one fails, the others are ended.

        Args:
            read_line: is called with each line of each log.

        Returns:
            Exit statuses, by host, in the order in which the containers ended.
        """
        statuses: dict[str, int] = {}

        def follow(host: str) -> None:
            container, stream = self._running[host]
            # The log ends with its container.
            for line in self._engine.lines(container):
                stream.write(line)
                read_line(line)
            statuses[host] = self._engine.wait(container)
            if statuses[host]:
                self._end_others(host)

        with ThreadPoolExecutor(len(self._running), "host") as pool:
            list(pool.map(follow, self._running))
        return statuses

    def terminate(self) -> None:
        """Send SIGTERM now, and SIGKILL after the time that the platform gives."""
        for container, _ in self._running.values():
            ending = (container, self._stop_seconds)
            thread = threading.Thread(
                target=self._engine.stop, args=ending, daemon=True
            )
            thread.start()

    def _end_others(self, failed_host: str) -> None:
        for host, (container, _) in self._running.items():
            if host != failed_host:
                self._engine.stop(container, _PEER_STOP_SECONDS)


def failure_reason(hosts: Sequence[TrainingHost], statuses: Mapping[str, int]) -> str:
    """The FailureReason of a job: its failure file and the exit status.

    A host that was ended because another one failed has no failure file. So the first
    host that has one counts, or else the first that failed. A long text is cut.

    Args:
        hosts: of the job.
        statuses: exit statuses of the hosts that failed; at least one.
    """
    failed_host = next(iter(statuses))
    bases = {host.name: host.base for host in hosts}
    text = ""
    for host in statuses:
        path = bases[host] / "output" / "failure"
        if is_plain(path) and path.is_file():
            failed_host = host
            with path.open(errors="replace") as file:
                text = file.read(REASON_CHARACTERS)
            break

    suffix = f", exit code: {statuses[failed_host]}"
    reason = f"AlgorithmError: {text}"
    return reason[: REASON_CHARACTERS - len(suffix)] + suffix
