"""The operations on training jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from launcher.local.cloud import parse_s3_uri
from launcher.local.errors import JobError, invalid
from launcher.local.layout import Channel, items
from launcher.local.metrics import Metrics
from launcher.local.platform import Platform
from launcher.local.records import Kind, Records
from launcher.local.training_run import Ending, TrainingRun

KIND = Kind(
    noun="training-job",
    prefix="TrainingJob",
    state="TrainingJobStatus",
    absent="Requested resource not found.",
    present="Training job names must be unique within an AWS account and region, and a training job with this name "
    "already exists ({arn})",
    present_code="ResourceInUse",
)
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
)
_STATES = ("TrainingJobStatus", "SecondaryStatus")
UNDER_WAY = ("InProgress", "Stopping")


class TrainingJobs:
    """Training jobs, each with the thread that runs it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._runs: dict[str, TrainingRun] = {}
        self.records = Records(KIND, platform.settings.region)
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": lambda request: self.records.get(
                request["TrainingJobName"]
            ),
            "ListTrainingJobs": self._list,
            "StopTrainingJob": self.stop,
            "DeleteTrainingJob": self.delete,
        }

    def create(self, request: Mapping[str, Any], **members: Any) -> dict[str, Any]:
        """Check all that can be checked before it runs, then run it; ``members`` are
        kept beside the request's.
        """
        name = request["TrainingJobName"]
        image = self.check(request)
        record = {
            **{key: value for key, value in request.items() if key != "Tags"},
            **members,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [],
            "ModelArtifacts": {"S3ModelArtifacts": ""},
            "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
            "EnableInterContainerTrafficEncryption": request.get(
                "EnableInterContainerTrafficEncryption", False
            ),
            "EnableManagedSpotTraining": request.get(
                "EnableManagedSpotTraining", False
            ),
        }
        arn = self.records.add(record)
        self._platform.tags.put(arn, request)
        run = TrainingRun(self._platform, self.records, name, image)
        with self._lock:
            self._runs[name] = run
        run.start()
        return {"TrainingJobArn": arn}

    def stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """SIGTERM; the job goes on to Stopped."""
        name = request["TrainingJobName"]
        status = self.records.get(name)["TrainingJobStatus"]
        if status not in UNDER_WAY:
            raise invalid(
                f"The request was rejected because the training job is in status {status}."
            )
        self.records.set(name, TrainingJobStatus="Stopping", SecondaryStatus="Stopping")
        self._runs[name].end(Ending.STOPPED)
        return {}

    def delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Forget a job that has ended.

        Raises:
            RefusedError: if there is no such job, or it has not ended.
        """
        name = request["TrainingJobName"]
        status = self.records.get(name)["TrainingJobStatus"]
        if status in UNDER_WAY:
            raise invalid(
                f"The request was rejected because the training job is in status {status}."
            )
        self._platform.tags.drop(self.records.remove(name)["TrainingJobArn"])
        with self._lock:
            del self._runs[name]
        return {}

    def interrupt(self, name: str) -> None:
        """Take a managed spot job's capacity away, as AWS may at any moment.

        Raises:
            RefusedError: if there is no such job, or it doesn't run on spot capacity.
        """
        job = self.records.get(name)
        if (
            not job["EnableManagedSpotTraining"]
            or job["TrainingJobStatus"] != "InProgress"
        ):
            raise invalid(
                f"{name} is {job['TrainingJobStatus']}; only a running managed spot job is interrupted"
            )
        self._runs[name].end(Ending.INTERRUPTED)

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self.records.listing(
            request, "TrainingJobSummaries", (*_SUMMARY, *_STATES)
        )

    def check(self, request: Mapping[str, Any]) -> str:
        """Everything that can be checked before it runs; gives the image as the engine
        pulls it.

        Raises:
            RefusedError: with what is wrong.
        """
        self.records.check_free(request["TrainingJobName"])
        algorithm = request["AlgorithmSpecification"]
        if "TrainingImage" not in algorithm:
            raise invalid(
                "AlgorithmSpecification has no TrainingImage; no other kind of algorithm is offered here"
            )
        use = (
            "spot training job usage"
            if request.get("EnableManagedSpotTraining")
            else "training job usage"
        )
        resources = request["ResourceConfig"]
        if "InstanceType" not in resources:
            raise invalid(
                "ResourceConfig has no InstanceType; groups of instances aren't offered here"
            )
        self._platform.quotas.check(
            resources["InstanceType"], use, resources.get("InstanceCount", 1)
        )
        Metrics.check(algorithm.get("MetricDefinitions", []))
        _check_spot(request)
        self._platform.cloud.check_role(request["RoleArn"])
        parse_s3_uri(request["OutputDataConfig"]["S3OutputPath"])
        channels = request.get("InputDataConfig", [])
        if len({entry["ChannelName"] for entry in channels}) < len(channels):
            raise invalid("Duplicate channel names in InputDataConfig")
        for entry in channels:
            self._check_channel(
                entry, algorithm.get("TrainingInputMode", "File"), request["RoleArn"]
            )
        return self._platform.images.resolve(algorithm["TrainingImage"])

    def _check_channel(self, entry: Mapping[str, Any], mode: str, role: str) -> None:
        source = entry["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] == "AugmentedManifestFile":
            raise invalid(
                f"channel {entry['ChannelName']}: only S3Prefix and ManifestFile are offered here"
            )
        try:
            items(self._platform.cloud, Channel.of(entry, mode))
        except JobError as error:
            bucket = parse_s3_uri(source["S3Uri"]).bucket
            raise invalid(
                f'No S3 objects found under S3 URL "{source["S3Uri"]}" given in input data source. Please ensure that '
                f"the bucket exists in the selected region ({self._platform.settings.region}), that objects exist "
                f'under that S3 prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket '
                f'"{bucket}". '
                f"Error message from S3: {error}"
            ) from error


def _check_spot(request: Mapping[str, Any]) -> None:
    condition = request.get("StoppingCondition", {})
    longest, wait = (
        condition.get("MaxRuntimeInSeconds", 86_400),
        condition.get("MaxWaitTimeInSeconds"),
    )
    spot = request.get("EnableManagedSpotTraining", False)
    if spot and (wait is None or wait < longest):
        raise invalid(
            "managed spot training needs a MaxWaitTimeInSeconds of at least MaxRuntimeInSeconds"
        )
    if not spot and wait is not None:
        raise invalid(
            "MaxWaitTimeInSeconds may only be given when EnableManagedSpotTraining is true"
        )
