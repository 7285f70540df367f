"""The operations on tuning jobs."""

from __future__ import annotations

from launcher.errors import InvalidRequestError
from launcher.local.descriptions import Descriptions, ResourceKind, page
from launcher.local.errors import invalid
from launcher.local.offered import check_members
from launcher.local.operation import Operation, Parameters, Result, without_tags
from launcher.local.parameter_ranges import check_ranges
from launcher.local.stack_parts import StackParts
from launcher.local.training import TRAINING_JOB, TrainingJobs
from launcher.local.tuning_run import TuningRun
from launcher.requests import Request
from launcher.validate import validate

TUNING_JOB = ResourceKind(
    noun="hyper-parameter-tuning-job",
    prefix="HyperParameterTuningJob",
    summaries="HyperParameterTuningJobSummaries",
    absent="Amazon SageMaker can't find a tuning job with the name {name}.",
    present="Hyperparameter tuning job names must be unique within an AWS account and "
    "region, and a job with this name already exists ({arn})",
    absent_code="ResourceNotFound",
    present_code="ResourceInUse",
    summarized=(
        "Strategy",
        "HyperParameterTuningEndTime",
        "TrainingJobStatusCounters",
        "ObjectiveStatusCounters",
        "ResourceLimits",
    ),
)


class TuningJobs:
    """Tuning jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts, training: TrainingJobs) -> None:
        self._parts = parts
        self._training = training
        self._runs: dict[str, TuningRun] = {}
        self.descriptions = Descriptions(TUNING_JOB, parts.settings.region)
        self.operations: dict[str, Operation] = {
            "CreateHyperParameterTuningJob": self._create,
            "DescribeHyperParameterTuningJob": self.descriptions.describe,
            "ListHyperParameterTuningJobs": self.descriptions.list,
            "ListTrainingJobsForHyperParameterTuningJob": self._list_training,
            "StopHyperParameterTuningJob": self._stop,
            "DeleteHyperParameterTuningJob": self._delete,
        }

    def _create(self, parameters: Parameters) -> Result:
        name = parameters[TUNING_JOB.name]
        self.descriptions.check_free(name)
        _check(parameters)
        run = TuningRun(self._training, self.descriptions, parameters)
        self._check_training(run.training_request(0))

        config = parameters["HyperParameterTuningJobConfig"]
        description = {
            **without_tags(parameters),
            "Strategy": config["Strategy"],
            "ResourceLimits": config["ResourceLimits"],
            **run.progress(),
            TUNING_JOB.status: "InProgress",
        }
        arn = self.descriptions.add(description)
        self._parts.tags.put(arn, parameters)
        self._runs[name] = run
        run.start()
        return {TUNING_JOB.arn: arn}

    def _check_training(self, parameters: Parameters) -> None:
        """Refuse now what would be wrong with the training jobs, as SageMaker does."""
        try:
            validate(Request("sagemaker", "CreateTrainingJob", parameters))
            check_members("CreateTrainingJob", parameters)
        except InvalidRequestError as error:
            raise invalid(f"TrainingJobDefinition: {error}") from error
        self._training.check(parameters)

    def _list_training(self, parameters: Parameters) -> Result:
        name = parameters[TUNING_JOB.name]
        # Refuses a name that there isn't.
        self.descriptions.get(name)
        return page(self._runs[name].summaries(), parameters, TRAINING_JOB.summaries)

    def _stop(self, parameters: Parameters) -> Result:
        name = parameters[TUNING_JOB.name]
        self.descriptions.check_under_way(name)
        self.descriptions.set(name, HyperParameterTuningJobStatus="Stopping")
        self._runs[name].stop()
        return {}

    def _delete(self, parameters: Parameters) -> Result:
        name = parameters[TUNING_JOB.name]
        self.descriptions.check_ended(name)
        removed = self.descriptions.remove(name)
        self._parts.tags.drop(removed[TUNING_JOB.arn])
        del self._runs[name]
        return {}


def _check(parameters: Parameters) -> None:
    """Return if a request is one that can be run.

    Raises:
        RefusedError: for the first fault.
    """
    definition = parameters.get("TrainingJobDefinition")
    if definition is None:
        raise invalid("a tuning job needs a TrainingJobDefinition")

    config = parameters["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    if limits["MaxParallelTrainingJobs"] > limits.get("MaxNumberOfTrainingJobs", 1):
        raise invalid("MaxParallelTrainingJobs is above MaxNumberOfTrainingJobs")

    objective = config.get("HyperParameterTuningJobObjective", {}).get("MetricName")
    metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    if objective not in [metric["Name"] for metric in metrics]:
        raise invalid(
            f"the objective metric {objective} isn't among the MetricDefinitions"
        )
    check_ranges(
        config.get("ParameterRanges", {}), definition.get("StaticHyperParameters", {})
    )
