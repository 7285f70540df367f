"""Tuning jobs: their operations, and the jobs themselves. These run training jobs, a
few at a time, and find the best of them.

All hyperparameters are drawn at random, whatever strategy a request names, and no
training job is stopped early. The description says so.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

from launcher.local.descriptions import (
    Description,
    Descriptions,
    ResourceKind,
    summary_members,
    summary_of,
)
from launcher.local.errors import FailureReasonError, RefusedError, invalid
from launcher.local.jobs import UNDER_WAY, JobRun, Jobs
from launcher.local.offered import check_request
from launcher.local.operation import Parameters, Result, page
from launcher.local.parameter_ranges import check_ranges, random_draws
from launcher.local.stack_parts import StackParts
from launcher.local.training import TrainingJobs

TUNING_JOB = ResourceKind(
    noun="hyper-parameter-tuning-job",
    absent="Amazon SageMaker can't find a tuning job with the name {name}.",
    absent_code="ResourceNotFound",
)
# The hyperparameter by which SageMaker tells a training job its objective.
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
_FINAL_METRIC = "FinalHyperParameterTuningJobObjectiveMetric"
_DEFAULT_RUNTIME_SECONDS = 30 * 86_400
_LISTING = "ListTrainingJobsForHyperParameterTuningJob"
_ALL_FAILED = "All training jobs failed. Please take a look at their failures."

_log = logging.getLogger(__name__)


class TuningJobs(Jobs):
    """Tuning jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts, training: TrainingJobs) -> None:
        super().__init__(parts, TUNING_JOB)
        self._training = training
        self.operations[_LISTING] = self._list_training

    def create(self, parameters: Parameters) -> Result:
        """Check a request, and run the job."""
        _check(parameters)
        requests = training_requests(parameters)
        # Refuse now what would be wrong with the training jobs, as SageMaker does.
        check_request("sagemaker", "CreateTrainingJob", requests[0])
        self._training.check(requests[0])
        # What happens, whatever the request asks for.
        config = {
            **parameters["HyperParameterTuningJobConfig"],
            "Strategy": "Random",
            "TrainingJobEarlyStoppingType": "Off",
        }
        definition = parameters["TrainingJobDefinition"]
        fixed = definition.get("StaticHyperParameters", {})
        objective = config["HyperParameterTuningJobObjective"]["MetricName"]
        described = {
            **parameters,
            "HyperParameterTuningJobConfig": config,
            "TrainingJobDefinition": {
                **definition,
                # SDKs look for the metric there.
                "StaticHyperParameters": {**fixed, OBJECTIVE_HYPERPARAMETER: objective},
            },
        }

        return self.begin(
            partial(TuningRun, self._training, requests),
            described,
            Strategy="Random",
            ResourceLimits=config["ResourceLimits"],
            TrainingJobStatusCounters={},
            ObjectiveStatusCounters={},
        )

    def _list_training(self, parameters: Parameters) -> Result:
        name = self.descriptions.describe(parameters)[TUNING_JOB.name]
        run = self.runs[name]
        assert isinstance(run, TuningRun)
        member, _ = summary_members(_LISTING)
        return page(run.summaries(), parameters, member)


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


def training_requests(tuning_job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters of CreateTrainingJob for all training jobs of a tuning job."""
    name = tuning_job[TUNING_JOB.name]
    config = tuning_job["HyperParameterTuningJobConfig"]
    definition = tuning_job["TrainingJobDefinition"]
    common = dict(definition)
    fixed = common.pop("StaticHyperParameters", {})
    # A tuning job's own kind of ResourceConfig has the same members.
    resources = common.pop("HyperParameterTuningResourceConfig", None)
    if resources is not None:
        common["ResourceConfig"] = resources
    if "Tags" in tuning_job:
        common["Tags"] = tuning_job["Tags"]
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    fixed = {**fixed, OBJECTIVE_HYPERPARAMETER: metric}
    draws = random_draws(config["ParameterRanges"], config.get("RandomSeed", name))
    n_jobs = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 1)
    return [
        {
            **common,
            "TrainingJobName": f"{name}-{number:03}",
            "HyperParameters": {**fixed, **drawn},
        }
        for number, drawn in enumerate(islice(draws, n_jobs), start=1)
    ]


class TuningRun(JobRun):
    """Runs a job.

    Args:
        training: creates the training jobs.
        requests: for all training jobs.
        descriptions: where the tuning job's description is kept.
        name: the tuning job's.
    """

    def __init__(
        self,
        training: TrainingJobs,
        requests: Sequence[Parameters],
        descriptions: Descriptions,
        name: str,
    ) -> None:
        super().__init__(descriptions, name)
        self._training = training
        self._requests = requests
        self._arn = self.job[TUNING_JOB.arn]
        config = self.job["HyperParameterTuningJobConfig"]
        self._objective = config["HyperParameterTuningJobObjective"]
        self._limits = config["ResourceLimits"]
        self._fixed = self.job["TrainingJobDefinition"].get("StaticHyperParameters", {})

    def stop(self) -> None:
        """Start no further training jobs, and stop those that run."""
        super().stop()
        for job in self._jobs():
            # One may have ended since.
            with contextlib.suppress(RefusedError):
                self._training.stop(job)

    def work(self) -> str:
        """Run the training jobs."""
        seconds = self._limits.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_SECONDS)
        time_limit = threading.Timer(seconds, self.stop)
        time_limit.daemon = True
        time_limit.start()
        n_concurrent = self._limits["MaxParallelTrainingJobs"]
        with ThreadPoolExecutor(n_concurrent, self.name) as pool:
            list(pool.map(self._train, self._requests))
        time_limit.cancel()
        if self.descriptions.get(self.job_name)[TUNING_JOB.status] == "Stopping":
            return "Stopped"
        statuses = {job["TrainingJobStatus"] for job in self._jobs()}
        if not statuses & {"Completed", "Stopped"}:
            raise FailureReasonError(_ALL_FAILED)
        return "Completed"

    def _train(self, request: Parameters) -> None:
        """Run one training job to its end."""
        if self.stopped.is_set():
            return
        name = request["TrainingJobName"]
        try:
            self._training.create(request, TuningJobArn=self._arn)
        except RefusedError as error:
            # The first was checked, but its data may have been deleted since.
            _log.warning("training job %s isn't started: %s", name, error.message)
            return
        if self.stopped.is_set():
            # `stop` may have looked for running jobs just before this one was created.
            self.stop()
        self._describe_progress()
        self._training.runs[name].join()
        self._describe_progress()

    def _describe_progress(self) -> None:
        summaries = self.summaries()
        statuses = [summary["TrainingJobStatus"] for summary in summaries]
        judged = [summary for summary in summaries if _FINAL_METRIC in summary]
        n_running = sum(status in UNDER_WAY for status in statuses)
        members: dict[str, Any] = {
            "TrainingJobStatusCounters": {
                "Completed": statuses.count("Completed"),
                "InProgress": n_running,
                "RetryableError": 0,
                "NonRetryableError": statuses.count("Failed"),
                "Stopped": statuses.count("Stopped"),
            },
            "ObjectiveStatusCounters": {
                "Succeeded": len(judged),
                "Pending": n_running,
                "Failed": len(summaries) - n_running - len(judged),
            },
        }
        if judged:
            best = min if self._objective["Type"] == "Minimize" else max
            members["BestTrainingJob"] = best(
                judged, key=lambda summary: summary[_FINAL_METRIC]["Value"]
            )
        self.descriptions.set(self.job_name, **members)

    def summaries(self) -> list[dict[str, Any]]:
        """A summary of each training job so far."""
        return [self._summary(job) for job in self._jobs()]

    def _summary(self, job: Description) -> dict[str, Any]:
        """The summary of a training job; with its objective if it completed."""
        summary = summary_of(job, _LISTING)
        summary["TunedHyperParameters"] = {
            name: value
            for name, value in job["HyperParameters"].items()
            if name not in self._fixed
        }
        is_running = job["TrainingJobStatus"] in UNDER_WAY
        summary["ObjectiveStatus"] = "Pending" if is_running else "Failed"
        for metric in job.get("FinalMetricDataList", []):
            is_objective = metric["MetricName"] == self._objective["MetricName"]
            if is_objective and job["TrainingJobStatus"] == "Completed":
                summary["ObjectiveStatus"] = "Succeeded"
                summary[_FINAL_METRIC] = {**self._objective, "Value": metric["Value"]}
        return summary

    def _jobs(self) -> list[Description]:
        """The training jobs so far."""
        return [
            job
            for job in self._training.descriptions.all()
            if job.get("TuningJobArn") == self._arn
        ]
