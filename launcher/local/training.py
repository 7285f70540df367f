"""The operations on training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launcher.local.descriptions import ResourceKind
from launcher.local.errors import FailureReasonError, invalid
from launcher.local.input_channels import InputChannel
from launcher.local.jobs import Jobs
from launcher.local.log_metrics import LogMetrics
from launcher.local.operation import Parameters, Result
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


class TrainingJobs(Jobs):
    """Training jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts) -> None:
        super().__init__(parts, TRAINING_JOB)
        self.operations["CreateTrainingJob"] = self.create

    def create(self, parameters: Parameters, **members: Any) -> Result:
        """Check a request, and run the job.

        Args:
            parameters: of the request.
            members: kept in the description beside the request's.

        Raises:
            RefusedError: if the request isn't one that can be run.
        """
        image = self.check(parameters)

        def new_run(name: str) -> TrainingRun:
            return TrainingRun(self.parts, self.descriptions, name, image)

        return self.begin(
            {**dict.fromkeys(_FLAGS, False), **parameters},
            new_run,
            **members,
            SecondaryStatus="Starting",
            SecondaryStatusTransitions=[],
            ModelArtifacts={"S3ModelArtifacts": ""},
            ProfilingStatus="Disabled",
        )

    def interrupt(self, name: str) -> None:
        """Take a managed spot job's capacity away, as AWS may at any moment.

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
        self.parts.clients.check_role(parameters["RoleArn"])
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
        self.parts.quotas.check(resources["InstanceType"], use, count)

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
            channel.objects(self.parts.clients.of_role(role))
        except FailureReasonError as error:
            raise invalid(
                f"Channel {channel.name}: {error}. Please ensure that the bucket "
                f"exists in the selected region ({self.parts.settings.region}), that "
                f'objects exist under that S3 prefix, and that the role "{role}" has '
                '"s3:ListBucket" permissions on the bucket.'
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
