"""The operations on batch transform jobs."""

from __future__ import annotations

from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.errors import invalid
from launcher.local.model_catalog import ModelCatalog
from launcher.local.model_container import container_of, is_multi_model
from launcher.local.operation import Operation, Parameters, Result, without_tags
from launcher.local.service_clients import parse_s3_uri
from launcher.local.stack_parts import StackParts
from launcher.local.transform_run import TransformRun

TRANSFORM_JOB = ResourceKind(
    noun="transform-job",
    prefix="TransformJob",
    summaries="TransformJobSummaries",
    absent="Could not find requested job with name: {name}",
    present="Job name must be unique within an AWS account and region, and a job with "
    "this name already exists ({arn})",
    absent_code="ResourceNotFound",
    present_code="ResourceInUse",
    summarized=("TransformEndTime", "FailureReason"),
)


class TransformJobs:
    """Transform jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts, catalog: ModelCatalog) -> None:
        self._parts = parts
        self._catalog = catalog
        self._runs: dict[str, TransformRun] = {}
        self.descriptions = Descriptions(TRANSFORM_JOB, parts.settings.region)
        self.operations: dict[str, Operation] = {
            "CreateTransformJob": self._create,
            "DescribeTransformJob": self.descriptions.describe,
            "ListTransformJobs": self.descriptions.list,
            "StopTransformJob": self._stop,
        }

    def _create(self, parameters: Parameters) -> Result:
        name = parameters["TransformJobName"]
        self._check(parameters)
        description = {**without_tags(parameters), "TransformJobStatus": "InProgress"}
        arn = self.descriptions.add(description)
        self._parts.tags.put(arn, parameters)
        run = TransformRun(self._parts, self._catalog, self.descriptions, name)
        self._runs[name] = run
        run.start()
        return {"TransformJobArn": arn}

    def _check(self, parameters: Parameters) -> None:
        """Check all that can be checked before a job runs.

        Raises:
            RefusedError: for the first fault.
        """
        self.descriptions.check_free(parameters["TransformJobName"])
        model = self._catalog.models.get(parameters["ModelName"])
        if is_multi_model(container_of(model)):
            raise invalid("a multi-model container can't be used for batch transform")
        parse_s3_uri(parameters["TransformOutput"]["S3OutputPath"])
        resources = parameters["TransformResources"]
        self._parts.quotas.check(
            resources["InstanceType"], "transform job usage", resources["InstanceCount"]
        )

    def _stop(self, parameters: Parameters) -> Result:
        name = parameters["TransformJobName"]
        self.descriptions.check_under_way(name)
        self.descriptions.set(name, TransformJobStatus="Stopping")
        self._runs[name].stop()
        return {}
