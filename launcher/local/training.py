"""The operations on training jobs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.errors import FailureReasonError, invalid
from launcher.local.input_channels import InputChannel
from launcher.local.log_metrics import LogMetrics
from launcher.local.operation import Operation, Parameters, Result, without_tags
from launcher.local.service_clients import parse_s3_uri
from launcher.local.stack_parts import StackParts
from launcher.local.training_run import DEFAULT_RUNTIME_SECONDS, Ending, TrainingRun

TRAINING_JOB = ResourceKind(
    noun="training-job",
    prefix="TrainingJob",
    summaries="TrainingJobSummaries",
    absent="Requested resource not found.",
    present="Training job names must be unique within an AWS account and region, and "
    "a training job with this name already exists ({arn})",
    present_code="ResourceInUse",
    summarized=("TrainingEndTime", "SecondaryStatus"),
)
_FLAGS = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


class TrainingJobs:
    """Training jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._runs: dict[str, TrainingRun] = {}
        self.descriptions = Descriptions(TRAINING_JOB, parts.settings.region)
        self.operations: dict[str, Operation] = {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.descriptions.describe,
            "ListTrainingJobs": self.descriptions.list,
            "StopTrainingJob": self.stop,
            "DeleteTrainingJob": self.delete,
        }

    def create(self, parameters: Parameters, **members: Any) -> Result:
        """Check a request, and run the job.

        Args:
            parameters: of the request.
            members: kept in the description beside the request's.

        Raises:
            RefusedError: if the request isn't one that can be run.
        """
        name = parameters["TrainingJobName"]
        image = self.check(parameters)
        description = {
            **dict.fromkeys(_FLAGS, False),
            **without_tags(parameters),
            **members,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [],
            "ModelArtifacts": {"S3ModelArtifacts": ""},
            "ProfilingStatus": "Disabled",
        }
        arn = self.descriptions.add(description)
        self._parts.tags.put(arn, parameters)
        run = TrainingRun(self._parts, self.descriptions, name, image)
        with self._lock:
            self._runs[name] = run
        run.start()
        return {"TrainingJobArn": arn}

    def stop(self, parameters: Parameters) -> Result:
        """Begin to stop a job; its description says when it is stopped.

        Raises:
            RefusedError: if there is no such job, or it has ended.
        """
        name = parameters["TrainingJobName"]
        self.descriptions.check_under_way(name)
        self.descriptions.set(
            name, TrainingJobStatus="Stopping", SecondaryStatus="Stopping"
        )
        self._runs[name].end(Ending.STOPPED)
        return {}

    def delete(self, parameters: Parameters) -> Result:
        """Forget a job that has ended.

        Raises:
            RefusedError: if there is no such job, or it runs.
        """
        name = parameters["TrainingJobName"]
        self.descriptions.check_ended(name)
        removed = self.descriptions.remove(name)
        self._parts.tags.drop(removed["TrainingJobArn"])
        with self._lock:
            del self._runs[name]
        return {}

    def interrupt(self, name: str) -> None:
        """Take a managed spot job's capacity away, as AWS may at any moment.

        Raises:
            RefusedError: if there is no such job, or it doesn't run on spot capacity.
        """
        job = self.descriptions.get(name)
        status = job["TrainingJobStatus"]
        if not job["EnableManagedSpotTraining"] or status != "InProgress":
            raise invalid(
                f"{name} is {status}; only a running managed spot job is interrupted"
            )
        self._runs[name].end(Ending.INTERRUPTED)

    def check(self, parameters: Parameters) -> str:
        """Check all that can be checked before a job runs.

        Returns:
            The image by the engine's name.

        Raises:
            RefusedError: for the first fault.
        """
        self.descriptions.check_free(parameters["TrainingJobName"])
        algorithm = parameters["AlgorithmSpecification"]
        if "TrainingImage" not in algorithm:
            raise invalid("AlgorithmSpecification has no TrainingImage")
        self._check_resources(parameters)
        # Compiles the regular expressions.
        LogMetrics(algorithm.get("MetricDefinitions", []))
        _check_spot(parameters)
        self._parts.clients.check_role(parameters["RoleArn"])
        parse_s3_uri(parameters["OutputDataConfig"]["S3OutputPath"])
        self._check_channels(parameters)
        return self._parts.images.resolve(algorithm["TrainingImage"])

    def _check_resources(self, parameters: Parameters) -> None:
        resources = parameters["ResourceConfig"]
        if "InstanceType" not in resources:
            raise invalid("ResourceConfig has no InstanceType")
        is_spot = parameters.get("EnableManagedSpotTraining", False)
        use = "spot training job usage" if is_spot else "training job usage"
        count = resources.get("InstanceCount", 1)
        self._parts.quotas.check(resources["InstanceType"], use, count)

    def _check_channels(self, parameters: Parameters) -> None:
        entries = parameters.get("InputDataConfig", [])
        names = {entry["ChannelName"] for entry in entries}
        if len(names) < len(entries):
            raise invalid("Duplicate channel names in InputDataConfig")
        mode = parameters["AlgorithmSpecification"].get("TrainingInputMode", "File")
        for entry in entries:
            self._check_channel(entry, mode, parameters["RoleArn"])

    def _check_channel(self, entry: Mapping[str, Any], mode: str, role: str) -> None:
        channel = InputChannel.from_request(entry, mode)
        try:
            channel.objects(self._parts.clients.of_role(role))
        except FailureReasonError as error:
            bucket = parse_s3_uri(channel.uri).bucket
            region = self._parts.settings.region
            raise invalid(
                f'No S3 objects found under S3 URL "{channel.uri}" given in input '
                "data source. Please ensure that the bucket exists in the selected "
                f"region ({region}), that objects exist under that S3 prefix, and "
                f'that the role "{role}" has "s3:ListBucket" permissions on bucket '
                f'"{bucket}". Error message from S3: {error}'
            ) from error


def _check_spot(parameters: Parameters) -> None:
    condition = parameters.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_SECONDS)
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
