"""The operations on tuning jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launcher.errors import InvalidRequestError
from launcher.local.errors import invalid
from launcher.local.platform import Platform
from launcher.local.records import Kind, Records, page
from launcher.local.search import check_ranges
from launcher.local.training import UNDER_WAY, TrainingJobs
from launcher.local.tuning_run import TuningRun
from launcher.requests import Request
from launcher.validate import validate

KIND = Kind(
    noun="hyper-parameter-tuning-job",
    prefix="HyperParameterTuningJob",
    state="HyperParameterTuningJobStatus",
    absent="Amazon SageMaker can't find a tuning job with the name {name}.",
    present="Hyperparameter tuning job names must be unique within an AWS account and region, and a job with this name "
    "already exists ({arn})",
    absent_code="ResourceNotFound",
    present_code="ResourceInUse",
)
_SUMMARY = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobArn",
    "HyperParameterTuningJobStatus",
    "Strategy",
    "CreationTime",
    "LastModifiedTime",
    "HyperParameterTuningEndTime",
    "TrainingJobStatusCounters",
    "ObjectiveStatusCounters",
    "ResourceLimits",
)
_STRATEGIES = ("Bayesian", "Random")
# What would be passed over silently otherwise.
_NOT_OFFERED = ("TrainingJobDefinitions", "WarmStartConfig", "Autotune")
_MEMBER = "HyperParameterTuningJobName"


class TuningJobs:
    """Tuning jobs, each with the thread that runs it."""

    def __init__(self, platform: Platform, training: TrainingJobs) -> None:
        self._platform = platform
        self._training = training
        self._runs: dict[str, TuningRun] = {}
        self.records = Records(KIND, platform.settings.region)
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateHyperParameterTuningJob": self._create,
            "DescribeHyperParameterTuningJob": lambda request: self.records.get(
                request[_MEMBER]
            ),
            "ListHyperParameterTuningJobs": lambda request: self.records.listing(
                request, "HyperParameterTuningJobSummaries", _SUMMARY
            ),
            "ListTrainingJobsForHyperParameterTuningJob": self._list_training,
            "StopHyperParameterTuningJob": self._stop,
            "DeleteHyperParameterTuningJob": self._delete,
        }

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name, config = request[_MEMBER], request["HyperParameterTuningJobConfig"]
        self.records.check_free(name)
        _check(request)
        run = TuningRun(self._training, self.records, request)
        self._check_training(run.request(1))
        record = {key: value for key, value in request.items() if key != "Tags"}
        record |= {key: config[key] for key in ("Strategy", "ResourceLimits")}
        arn = self.records.add({**record, **run.progress(), KIND.state: "InProgress"})
        self._platform.tags.put(arn, request)
        self._runs[name] = run
        run.start()
        return {KIND.arn: arn}

    def _check_training(self, request: Mapping[str, Any]) -> None:
        """What is wrong with its training jobs is said before the first, as the service
        does it.
        """
        try:
            validate(Request("sagemaker", "CreateTrainingJob", request))
        except InvalidRequestError as error:
            raise invalid(f"TrainingJobDefinition: {error}") from error
        self._training.check(request)

    def _list_training(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.records.get(request[_MEMBER])
        return page(
            self._runs[request[_MEMBER]].summaries(), request, "TrainingJobSummaries"
        )

    def _stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request[_MEMBER]
        if (status := self.records.get(name)[KIND.state]) not in UNDER_WAY:
            raise invalid(
                f"The request was rejected because the tuning job is in status {status}."
            )
        self.records.set(name, HyperParameterTuningJobStatus="Stopping")
        self._runs[name].stop()
        return {}

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request[_MEMBER]
        if (status := self.records.get(name)[KIND.state]) in UNDER_WAY:
            raise invalid(
                f"The request was rejected because the tuning job is in status {status}."
            )
        self._platform.tags.drop(self.records.remove(name)[KIND.arn])
        del self._runs[name]
        return {}


def _check(request: Mapping[str, Any]) -> None:
    """Return when it can be run.

    Raises:
        RefusedError: with the first thing that is wrong.
    """
    config = request["HyperParameterTuningJobConfig"]
    definition = request.get("TrainingJobDefinition")
    if unknown := [name for name in _NOT_OFFERED if request.get(name)]:
        raise invalid(f"{unknown[0]} isn't offered here for tuning jobs")
    if definition is None:
        raise invalid("a tuning job needs a TrainingJobDefinition")
    if config["Strategy"] not in _STRATEGIES or config.get(
        "TuningJobCompletionCriteria"
    ):
        raise invalid(
            f"tuning is offered here as {' and '.join(_STRATEGIES)}, without completion criteria"
        )
    limits = config["ResourceLimits"]
    if limits["MaxParallelTrainingJobs"] > limits.get("MaxNumberOfTrainingJobs", 1):
        raise invalid("MaxParallelTrainingJobs is above MaxNumberOfTrainingJobs")
    objective = config.get("HyperParameterTuningJobObjective", {}).get("MetricName")
    told = [
        metric["Name"]
        for metric in definition["AlgorithmSpecification"].get("MetricDefinitions", [])
    ]
    if objective not in told:
        raise invalid(
            f"the objective metric {objective} isn't among the MetricDefinitions"
        )
    check_ranges(
        config.get("ParameterRanges", {}), definition.get("StaticHyperParameters", {})
    )
