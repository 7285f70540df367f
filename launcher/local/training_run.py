"""One training job from its start to its end, in a thread: download, run, upload, with
every state on the way.

Whatever ends the containers early, a request to stop, a time limit or an ordered spot
interruption, is kept as the reason, and decides what comes of the job.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.local import layout
from launcher.local.checkpoints import Checkpoints
from launcher.local.cloud import LogStream, parse_s3_uri
from launcher.local.cluster import Cluster, checkpoints_of
from launcher.local.errors import JobError
from launcher.local.layout import Channel, Item
from launcher.local.metrics import Metrics
from launcher.local.outputs import (
    REASON_CHARACTERS,
    failure_of,
    upload_archive,
    upload_files,
)
from launcher.local.pipes import Pipe
from launcher.local.platform import Platform
from launcher.local.records import Record, Records

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

_log = logging.getLogger(__name__)


class Ending(enum.Enum):
    """Why containers are ended before they end themselves: the secondary status that
    comes of it, and its message.
    """

    STOPPED = "Stopped", "Training job stopped"
    MAX_RUNTIME = (
        "MaxRuntimeExceeded",
        "Training job runtime exceeded MaxRuntimeInSeconds provided",
    )
    MAX_WAIT = (
        "MaxWaitTimeExceeded",
        "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    )
    INTERRUPTED = (
        "Interrupted",
        "Spot capacity was taken back; the job goes on when there is some again",
    )


class TrainingRun(threading.Thread):
    """Runs the job that is kept under a name."""

    def __init__(
        self, platform: Platform, records: Records, name: str, image: str
    ) -> None:
        super().__init__(daemon=True, name=f"training-{name}")
        self._platform = platform
        self._records = records
        self._job = records.get(name)
        self._name = name
        self._image = image
        self._channels = [
            Channel.of(
                entry,
                self._job["AlgorithmSpecification"].get("TrainingInputMode", "File"),
            )
            for entry in self._job.get("InputDataConfig", [])
        ]
        self._metrics = Metrics(
            self._job["AlgorithmSpecification"].get("MetricDefinitions", [])
        )
        self._directory = platform.settings.directory / "jobs" / name
        self._lock = threading.Lock()
        self._ending: Ending | None = None
        self._cluster: Cluster | None = None
        self._seconds = 0.0
        self._found: dict[str, list[Item]] = {}

    def end(self, ending: Ending) -> None:
        """End the containers that run, or that would be started."""
        with self._lock:
            # An interruption in progress may still become a stop.
            if self._ending not in (None, Ending.INTERRUPTED):
                return
            self._ending = ending
            if self._cluster is not None:
                self._cluster.terminate()

    def run(self) -> None:
        """Run it; whatever happens, the job ends in a final state and its files are
        gone.
        """
        try:
            outcome = self._attempt()
            while outcome is Ending.INTERRUPTED:
                self._enter(*Ending.INTERRUPTED.value)
                with self._lock:
                    self._ending = None
                outcome = self._attempt()
            self._finish(outcome)
        except JobError as error:
            self._close(
                "Failed",
                "Failed",
                "Training job failed",
                FailureReason=str(error)[:REASON_CHARACTERS],
            )
        except Exception as error:  # the boundary: a bug of ours must not leave a job InProgress for ever
            _log.exception("training job %s", self._name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            self._close(
                "Failed",
                "Failed",
                "Training job failed",
                FailureReason=reason[:REASON_CHARACTERS],
            )
            raise
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _attempt(self) -> Ending | None:
        """Once from download to upload; gives what ended it early, if anything did."""
        self._enter("Starting", "Preparing the instances for training")
        self._platform.docker.pull(self._image)
        self._enter("Downloading", "Downloading input data")
        shutil.rmtree(self._directory, ignore_errors=True)
        bases = self._lay_out()
        if self._ending is not None:
            return self._ending
        self._enter(
            "Training", "Training image download completed. Training in progress."
        )
        statuses = self._train(bases)
        if self._ending is Ending.INTERRUPTED:
            return self._ending
        failed = {host: status for host, status in statuses.items() if status}
        self._enter("Uploading", "Uploading generated training model")
        self._upload(bases, "output/data", "output.tar.gz")
        # A job that is stopped keeps what it wrote within the time that it had.
        if failed and self._ending is None:
            raise JobError(failure_of(bases, failed))
        self._upload(bases, "model", "model.tar.gz")
        return self._ending

    def _lay_out(self) -> dict[str, Path]:
        """The directories of all hosts, by name, with their channels."""
        count = self._job["ResourceConfig"].get("InstanceCount", 1)
        hosts = [f"algo-{i + 1}" for i in range(count)]
        bases = {host: self._directory / host for host in hosts}
        self._found = {
            channel.name: _items_of(self._platform, channel)
            for channel in self._channels
        }
        for index, (host, base) in enumerate(bases.items()):
            layout.write_configuration(base, self._job, self._channels, hosts, host)
            for channel in self._channels:
                if channel.mode == "Pipe":
                    continue
                directory = base / "input" / "data" / channel.name
                directory.mkdir()
                for item in layout.shard(
                    self._found[channel.name], channel, index, count
                ):
                    self._platform.cloud.download(item.where, directory / item.path)
        return bases

    def _train(self, bases: Mapping[str, Path]) -> dict[str, int]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._checkpoints(bases))
            stack.enter_context(self._pipes(bases))
            streams = self._log_streams(list(bases))
            for stream in streams.values():
                stack.callback(stream.close)
            cluster = stack.enter_context(
                Cluster.started(
                    self._platform, self._image, self._job, bases, self._channels
                )
            )
            started = time.time()
            self._records.set(
                self._name,
                TrainingStartTime=self._job.setdefault("TrainingStartTime", started),
            )
            with self._lock:
                self._cluster = cluster
                if self._ending is not None:
                    cluster.terminate()
            stack.enter_context(self._time_limits())
            statuses = cluster.run(streams, self._metrics.read)
            with self._lock:
                self._cluster = None
            self._seconds += time.time() - started
        return statuses

    @contextlib.contextmanager
    def _checkpoints(self, bases: Mapping[str, Path]) -> Iterator[None]:
        if "CheckpointConfig" not in self._job:
            yield
            return
        where = parse_s3_uri(self._job["CheckpointConfig"]["S3Uri"])
        kept = [
            Checkpoints(self._platform.cloud, where, checkpoints_of(base))
            for base in bases.values()
        ]
        for checkpoints in kept:
            checkpoints.restore()
            checkpoints.start()
        try:
            yield
        finally:
            for checkpoints in kept:
                checkpoints.stop()

    @contextlib.contextmanager
    def _pipes(self, bases: Mapping[str, Path]) -> Iterator[None]:
        pipes = []
        for index, base in enumerate(bases.values()):
            for channel in self._channels:
                if channel.mode == "Pipe":
                    share = layout.shard(
                        self._found[channel.name], channel, index, len(bases)
                    )
                    pipes.append(
                        Pipe(
                            self._platform.cloud,
                            channel,
                            share,
                            base / "input" / "data",
                        )
                    )
        for pipe in pipes:
            pipe.start()
        try:
            yield
        finally:
            for pipe in pipes:
                pipe.stop()

    @contextlib.contextmanager
    def _time_limits(self) -> Iterator[None]:
        condition = self._job["StoppingCondition"]
        limits = {
            Ending.MAX_RUNTIME: condition.get("MaxRuntimeInSeconds", 86_400)
            - self._seconds
        }
        if "MaxWaitTimeInSeconds" in condition:
            waited = time.time() - self._job["CreationTime"]
            limits[Ending.MAX_WAIT] = condition["MaxWaitTimeInSeconds"] - waited
        timers = [
            threading.Timer(max(0, seconds), self.end, [ending])
            for ending, seconds in limits.items()
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()

    def _log_streams(self, hosts: Sequence[str]) -> dict[str, LogStream]:
        suffix = int(time.time())
        return {
            host: LogStream(
                self._platform.cloud, LOG_GROUP, f"{self._name}/{host}-{suffix}"
            )
            for host in hosts
        }

    def _upload(self, bases: Mapping[str, Path], directory: str, archive: str) -> None:
        """What all hosts have in a directory."""
        where = (
            parse_s3_uri(self._job["OutputDataConfig"]["S3OutputPath"])
            / f"{self._name}/output"
        )
        directories = [base / directory for base in bases.values()]
        if self._job["OutputDataConfig"].get("CompressionType") == "NONE":
            artifact = upload_files(
                self._platform.cloud, directories, where / Path(directory).name
            )
        else:
            artifact = upload_archive(
                self._platform.cloud,
                directories,
                self._directory / archive,
                where,
                even_empty=directory == "model",
            )
        if directory == "model":
            self._records.set(self._name, ModelArtifacts={"S3ModelArtifacts": artifact})

    def _finish(self, ending: Ending | None) -> None:
        if ending is None:
            self._close("Completed", "Completed", "Training job completed")
        else:
            self._close("Stopped", *ending.value)

    def _enter(self, secondary: str, message: str) -> None:
        """A state on the way; the one before it ends."""
        now = time.time()

        def change(record: Record) -> None:
            transitions = record["SecondaryStatusTransitions"]
            if transitions:
                transitions[-1].setdefault("EndTime", now)
            transitions.append(
                {"Status": secondary, "StartTime": now, "StatusMessage": message}
            )
            if record["TrainingJobStatus"] == "InProgress":
                record["SecondaryStatus"] = secondary

        self._records.update(self._name, change)

    def _close(self, status: str, secondary: str, message: str, **members: Any) -> None:
        """A final state."""
        now = time.time()

        def change(record: Record) -> None:
            transitions = record["SecondaryStatusTransitions"]
            transitions[-1].setdefault("EndTime", now)
            transitions.append(
                {
                    "Status": secondary,
                    "StartTime": now,
                    "EndTime": now,
                    "StatusMessage": message,
                }
            )
            record |= {
                **members,
                "TrainingJobStatus": status,
                "SecondaryStatus": secondary,
                "TrainingEndTime": now,
                "TrainingTimeInSeconds": round(self._seconds),
                "BillableTimeInSeconds": round(self._seconds),
                "FinalMetricDataList": self._metrics.final(),
            }

        self._records.update(self._name, change)


def _items_of(platform: Platform, channel: Channel) -> list[Item]:
    try:
        return layout.items(platform.cloud, channel)
    except JobError as error:
        raise JobError(
            f"ClientError: Data download failed: {channel.uri}: {error}"
        ) from error
