"""Training jobs: their operations, and the jobs themselves.

An attempt goes through these states, which the job's description shows:

1. Starting: the image is pulled.
2. Downloading: every host's ``/opt/ml`` is made.
3. Training: the containers run.
4. Uploading: what they wrote goes to S3.

Containers may be ended early: by a request to stop, a time limit or a spot
interruption. That is kept as the `Ending`, and decides how the job goes on. Only an
interrupted job makes another attempt.
"""

from __future__ import annotations

import contextlib
import enum
import math
import shutil
import threading
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from launcher.local.archives import contents, pack
from launcher.local.cloudwatch import TRAINING_JOBS
from launcher.local.descriptions import Description, Descriptions, ResourceKind
from launcher.local.errors import FailureReasonError, invalid
from launcher.local.input_channels import channels_of, objects_of
from launcher.local.jobs import JobRun, Jobs
from launcher.local.log_metrics import LogMetrics
from launcher.local.moto_tables import check_role
from launcher.local.operation import Parameters, Result
from launcher.local.quotas import check_quota
from launcher.local.service_clients import parse_s3_uri
from launcher.local.stack_parts import StackParts
from launcher.local.training_hosts import TrainingHost, TrainingHosts, failure_reason

TRAINING_JOB = ResourceKind("training-job", absent="Requested resource not found.")
_DEFAULT_RUNTIME_SECONDS = 86_400
_FLAGS = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


class TrainingJobs(Jobs):
    """Training jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts) -> None:
        super().__init__(parts, TRAINING_JOB)

    def create(self, parameters: Parameters, **members: Any) -> Result:
        """Check a request, and run the job.

        Args:
            parameters: of the request.
            members: kept in the description beside the request's.

        Raises:
            RefusedError: if the request isn't one that can be run.
        """
        image = self.check(parameters)
        return self.begin(
            partial(TrainingRun, self.parts, image),
            {**dict.fromkeys(_FLAGS, False), **parameters},
            **members,
            SecondaryStatus="Starting",
            SecondaryStatusTransitions=[],
            ModelArtifacts={"S3ModelArtifacts": ""},
            ProfilingStatus="Disabled",
        )

    def interrupt(self, _request: Request, name: str) -> Response:
        """Take a managed spot job's capacity away, as AWS may at any moment: the
        stack's own route, behind ``launcher local interrupt``.

        Raises:
            RefusedError: if there is no such job, or it doesn't run on spot capacity.
        """
        job = self.descriptions.get(name)
        status = job["TrainingJobStatus"]
        run = self.runs[name]
        assert isinstance(run, TrainingRun)
        if not job["EnableManagedSpotTraining"] or status != "InProgress":
            raise invalid(
                f"{name} is {status}; only a running managed spot job is interrupted"
            )
        run.end(Ending.INTERRUPTED)
        return Response(status=HTTPStatus.NO_CONTENT)

    def check(self, parameters: Parameters) -> str:
        """Check all that can be checked before a job runs.

        Returns:
            The image by the engine's name.

        Raises:
            RefusedError: for the first fault.
        """
        algorithm = parameters["AlgorithmSpecification"]
        if "TrainingImage" not in algorithm:
            raise invalid("AlgorithmSpecification has no TrainingImage")
        self._check_resources(parameters)
        # Compiles the regular expressions.
        LogMetrics(algorithm.get("MetricDefinitions", []))
        _check_spot(parameters)
        check_role(parameters["RoleArn"])
        parse_s3_uri(parameters["OutputDataConfig"]["S3OutputPath"])
        self._check_channels(parameters)
        return self.parts.images.resolve(algorithm["TrainingImage"])

    def _check_resources(self, parameters: Parameters) -> None:
        resources = parameters["ResourceConfig"]
        if "InstanceType" not in resources:
            raise invalid("ResourceConfig has no InstanceType")
        is_spot = parameters.get("EnableManagedSpotTraining", False)
        use = "spot training job usage" if is_spot else "training job usage"
        count = resources.get("InstanceCount", 1)
        check_quota(resources["InstanceType"], use, count)

    def _check_channels(self, parameters: Parameters) -> None:
        channels = channels_of(parameters)
        if len({channel.name for channel in channels}) < len(channels):
            raise invalid("Duplicate channel names in InputDataConfig")
        role = parameters["RoleArn"]
        for channel in channels:
            try:
                objects_of(self.parts.clients.of_role(role), channel.source)
            except FailureReasonError as error:
                raise invalid(
                    f"Channel {channel.name}: {error}. Please ensure that the bucket "
                    f"exists in region {self.parts.settings.region}, and that the role "
                    f'"{role}" has "s3:ListBucket" permissions on it.'
                ) from error


def _check_spot(parameters: Parameters) -> None:
    condition = parameters.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_SECONDS)
    wait = condition.get("MaxWaitTimeInSeconds")
    is_spot = parameters.get("EnableManagedSpotTraining", False)
    if is_spot and (wait is None or wait < runtime):
        raise invalid(
            "managed spot training needs a MaxWaitTimeInSeconds of at least "
            "MaxRuntimeInSeconds"
        )
    if not is_spot and wait is not None:
        raise invalid(
            "MaxWaitTimeInSeconds may only be given when EnableManagedSpotTraining "
            "is true"
        )


class Ending(enum.Enum):
    """Why containers are ended early: the secondary status that follows from it, and
    the message that goes with that.
    """

    STOPPED = ("Stopped", "Training job stopped")
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


class TrainingRun(JobRun):
    """Runs a job.

    Args:
        parts: of the stack.
        image: by the engine's name.
        descriptions: where the job's description is kept.
        name: the job's.
    """

    def __init__(
        self, parts: StackParts, image: str, descriptions: Descriptions, name: str
    ) -> None:
        super().__init__(descriptions, name)
        self._image = image
        self._parts = parts.as_role(self.job["RoleArn"])
        self._channels = channels_of(self.job)
        definitions = self.job["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._metrics = LogMetrics(definitions, self._record)
        self._directory = parts.settings.work / "jobs" / name
        # In which containers ran, over all attempts.
        self._seconds = 0.0
        # The lock is for these two, which other threads read and change.
        self._lock = threading.Lock()
        self._ending: Ending | None = None
        self._running: TrainingHosts | None = None

    def _record(self, name: str, value: float) -> None:
        dimensions = {"TrainingJobName": self.job_name}
        self._parts.watch.record(TRAINING_JOBS, {name: value}, dimensions)

    def end(self, ending: Ending) -> None:
        """End the containers that run now, or that are about to start."""
        with self._lock:
            # The first ending counts, but an interrupted job may still be stopped.
            if self._ending not in (None, Ending.INTERRUPTED):
                return
            self._ending = ending
            if self._running is not None:
                self._running.terminate()

    def stop(self) -> None:
        """End the containers; what they wrote is kept."""
        self.descriptions.set(self.job_name, SecondaryStatus="Stopping")
        self.end(Ending.STOPPED)

    def work(self) -> str:
        """Make attempts until one isn't interrupted."""
        try:
            while (ending := self._attempt()) is Ending.INTERRUPTED:
                self._enter(*ending.value)
                with self._lock:
                    # It may have been stopped since.
                    if self._ending is Ending.INTERRUPTED:
                        self._ending = None
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
        return "Completed" if ending is None else "Stopped"

    def close(self, description: Description) -> None:
        """Say how and when it ended, and how long containers ran."""
        super().close(description)
        status = description["TrainingJobStatus"]
        secondary, message = status, f"Training job {status.lower()}"
        if status == "Stopped" and self._ending is not None:
            secondary, message = self._ending.value
        last = _add_transition(description, secondary, message)
        last["EndTime"] = last["StartTime"]
        seconds = math.ceil(self._seconds)
        description |= {
            "SecondaryStatus": secondary,
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": seconds,
            "FinalMetricDataList": self._metrics.final(),
        }

    def _attempt(self) -> Ending | None:
        """Go through all states once; gives what ended the containers early, if
        anything did.
        """
        self._enter("Starting", "Preparing the instances for training")
        self._parts.engine.pull(self._image)

        self._enter("Downloading", "Downloading input data")
        shutil.rmtree(self._directory, ignore_errors=True)
        hosts = self._make_hosts()
        if self._ending is not None:
            return self._ending

        self._enter(
            "Training", "Training image download completed. Training in progress."
        )
        statuses = self._train(hosts)
        if self._ending is Ending.INTERRUPTED:
            return self._ending

        self._enter("Uploading", "Uploading generated training model")
        self._upload(hosts, "output/data", "output.tar.gz")
        failed = {host: status for host, status in statuses.items() if status}
        # A job that is stopped keeps what it wrote in the time that it had.
        if failed and self._ending is None:
            raise FailureReasonError(failure_reason(hosts, failed))
        artifacts = self._upload(hosts, "model", "model.tar.gz")
        self.descriptions.set(
            self.job_name, ModelArtifacts={"S3ModelArtifacts": artifacts}
        )
        return self._ending

    def _make_hosts(self) -> list[TrainingHost]:
        count = self.job["ResourceConfig"].get("InstanceCount", 1)
        names = [f"algo-{i + 1}" for i in range(count)]
        clients = self._parts.clients
        listed = [(each, objects_of(clients, each.source)) for each in self._channels]
        hosts = []
        for index, name in enumerate(names):
            shards = [
                (channel, channel.shard(objects, index, count))
                for channel, objects in listed
            ]
            base = self._directory / name
            hosts.append(TrainingHost(self._parts, self.job, name, base, shards))
            hosts[-1].prepare(names)
        return hosts

    def _train(self, hosts: Sequence[TrainingHost]) -> dict[str, int]:
        """Run the containers; gives their exit statuses, by host."""
        with contextlib.ExitStack() as stack:
            running = TrainingHosts(self._parts, self._image, hosts, stack)
            started = time.time()
            # An interrupted job started when its first attempt did.
            first_started = self.job.setdefault("TrainingStartTime", started)
            self.descriptions.set(self.job_name, TrainingStartTime=first_started)
            with self._lock:
                self._running = running
                if self._ending is not None:
                    running.terminate()
            self._limit_time(stack)
            statuses = running.run(self._metrics.read)
            with self._lock:
                self._running = None
            self._seconds += time.time() - started
        return statuses

    def _limit_time(self, stack: contextlib.ExitStack) -> None:
        """End the containers when the time of the job's StoppingCondition is up."""
        condition = self.job["StoppingCondition"]
        runtime = condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_SECONDS)
        limits = {Ending.MAX_RUNTIME: runtime - self._seconds}
        if "MaxWaitTimeInSeconds" in condition:
            waited = time.time() - self.job["CreationTime"]
            limits[Ending.MAX_WAIT] = condition["MaxWaitTimeInSeconds"] - waited
        for ending, seconds in limits.items():
            timer = threading.Timer(max(0, seconds), self.end, [ending])
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)

    def _upload(
        self, hosts: Sequence[TrainingHost], directory: str, archive: str
    ) -> str:
        """Upload what all hosts have in a directory; gives the address in S3."""
        config = self.job["OutputDataConfig"]
        key = config.get("KmsKeyId")
        folder = parse_s3_uri(config["S3OutputPath"]) / f"{self.job_name}/output"
        directories = [host.base / directory for host in hosts]
        if config.get("CompressionType") == "NONE":
            folder /= Path(directory).name
            for name, path in contents(directories).items():
                if path.is_file():
                    self._parts.clients.upload(path, folder / name, key)
            return str(folder / "")
        packed = self._directory / archive
        if pack(directories, packed) or directory == "model":
            self._parts.clients.upload(packed, folder / archive, key)
        return str(folder / archive)

    def _enter(self, secondary: str, message: str) -> None:
        """Begin a state on the way."""

        def change(description: Description) -> None:
            _add_transition(description, secondary, message)
            # A job that is Stopping goes on to say so.
            if description["TrainingJobStatus"] == "InProgress":
                description["SecondaryStatus"] = secondary

        self.descriptions.update(self.job_name, change)


def _add_transition(
    description: Description, secondary: str, message: str
) -> dict[str, Any]:
    """Note that a state begins now, and the one before it ends."""
    now = time.time()
    transitions = description["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1]["EndTime"] = now
    transition = {"Status": secondary, "StartTime": now, "StatusMessage": message}
    transitions.append(transition)
    return transition
