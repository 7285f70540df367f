"""One tuning job from its start to its end, in a thread of its own.

It runs training jobs, a few at a time, and finds the best of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from launcher.local.descriptions import UNDER_WAY, Description, Descriptions
from launcher.local.errors import RefusedError, internal_reason
from launcher.local.parameter_ranges import random_draws
from launcher.local.training import TrainingJobs

# The hyperparameter by which SageMaker tells a training job its objective.
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
_FINAL_METRIC = "FinalHyperParameterTuningJobObjectiveMetric"
_POLL_SECONDS = 0.2
_DEFAULT_RUNTIME_SECONDS = 30 * 86_400
_SUMMARIZED = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingJobStatus",
)
# Members of TrainingJobDefinition that CreateTrainingJob doesn't have.
_ONLY_FOR_TUNING = (
    "DefinitionName",
    "TuningObjective",
    "HyperParameterRanges",
    "StaticHyperParameters",
    "HyperParameterTuningResourceConfig",
)
_ALL_FAILED = (
    "All training jobs failed. Please take a look at the training jobs failures to get "
    "more details."
)

_log = logging.getLogger(__name__)


class TuningRun(threading.Thread):
    """Runs a job.

    Args:
        training: creates the training jobs.
        descriptions: where the tuning job's description is kept.
        parameters: of the request for the tuning job.
    """

    def __init__(
        self,
        training: TrainingJobs,
        descriptions: Descriptions,
        parameters: Mapping[str, Any],
    ) -> None:
        name = parameters[descriptions.kind.name]
        super().__init__(daemon=True, name=f"tuning-{name}")
        self._training = training
        self._descriptions = descriptions
        self._tuning_name = name
        self._arn = descriptions.arn_of(name)
        self._definition = parameters["TrainingJobDefinition"]
        self._tags = parameters.get("Tags")
        config = parameters["HyperParameterTuningJobConfig"]
        self._objective = config["HyperParameterTuningJobObjective"]
        self._limits = config["ResourceLimits"]
        n_jobs = self._limits.get("MaxNumberOfTrainingJobs", 1)
        draws = random_draws(config["ParameterRanges"], config.get("RandomSeed", name))
        # The hyperparameters of each training job.
        self._drawn = list(islice(draws, n_jobs))
        self._stopped = threading.Event()

    def training_request(self, index: int) -> dict[str, Any]:
        """The parameters of CreateTrainingJob for a training job, counted from 0."""
        parameters = {
            name: value
            for name, value in self._definition.items()
            if name not in _ONLY_FOR_TUNING
        }
        # A tuning job's own kind of ResourceConfig has the same members.
        resources = self._definition.get("HyperParameterTuningResourceConfig")
        if resources is not None:
            parameters["ResourceConfig"] = resources
        if self._tags is not None:
            parameters["Tags"] = self._tags
        parameters["TrainingJobName"] = f"{self._tuning_name}-{index + 1:03}"
        parameters["HyperParameters"] = {
            **self._definition.get("StaticHyperParameters", {}),
            **self._drawn[index],
            OBJECTIVE_HYPERPARAMETER: self._objective["MetricName"],
        }
        return parameters

    def stop(self) -> None:
        """Start no further training jobs, and stop those that run."""
        self._stopped.set()
        for job in self._jobs():
            if job["TrainingJobStatus"] == "InProgress":
                self._training.stop(job)

    def run(self) -> None:
        """Run the job. Whatever happens, it reaches a final state."""
        seconds = self._limits.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_SECONDS)
        time_limit = threading.Timer(seconds, self.stop)
        time_limit.daemon = True
        time_limit.start()
        status_member = self._descriptions.kind.status
        final = {status_member: "Failed"}
        try:
            n_concurrent = self._limits["MaxParallelTrainingJobs"]
            with ThreadPoolExecutor(n_concurrent, self.name) as pool:
                list(pool.map(self._train, range(len(self._drawn))))
            final[status_member] = self._outcome()
            if final[status_member] == "Failed":
                final["FailureReason"] = _ALL_FAILED
        except Exception as error:
            _log.exception("tuning job %s", self._tuning_name)
            final["FailureReason"] = internal_reason(error)
            raise
        finally:
            time_limit.cancel()
            self._descriptions.set(
                self._tuning_name,
                **self.progress(),
                **final,
                HyperParameterTuningEndTime=time.time(),
            )

    def _outcome(self) -> str:
        description = self._descriptions.get(self._tuning_name)
        if description[self._descriptions.kind.status] == "Stopping":
            return "Stopped"
        statuses = {job["TrainingJobStatus"] for job in self._jobs()}
        return "Completed" if statuses & {"Completed", "Stopped"} else "Failed"

    def _train(self, index: int) -> None:
        """Run one training job to its end."""
        if self._stopped.is_set():
            return
        parameters = self.training_request(index)
        name = parameters["TrainingJobName"]
        try:
            self._training.create(parameters, TuningJobArn=self._arn)
        except RefusedError as error:
            # The first was checked, but its data may have been deleted since.
            _log.warning("training job %s isn't started: %s", name, error.message)
            return
        if self._stopped.is_set():
            # `stop` may have looked for running jobs just before this one was created.
            self.stop()
        while self._is_under_way(name):
            self._descriptions.set(self._tuning_name, **self.progress())
            time.sleep(_POLL_SECONDS)
        self._descriptions.set(self._tuning_name, **self.progress())

    def _is_under_way(self, name: str) -> bool:
        job = self._training.descriptions.get(name)
        return job["TrainingJobStatus"] in UNDER_WAY

    def progress(self) -> dict[str, Any]:
        """The members of the description that change while the job runs."""
        summaries = self.summaries()
        statuses = [summary["TrainingJobStatus"] for summary in summaries]
        judged = [summary for summary in summaries if _FINAL_METRIC in summary]
        n_running = sum(status in UNDER_WAY for status in statuses)
        training_counters = {
            "Completed": statuses.count("Completed"),
            "InProgress": n_running,
            "RetryableError": 0,
            "NonRetryableError": statuses.count("Failed"),
            "Stopped": statuses.count("Stopped"),
        }
        objective_counters = {
            "Succeeded": len(judged),
            "Pending": n_running,
            "Failed": len(summaries) - n_running - len(judged),
        }
        members: dict[str, Any] = {
            "TrainingJobStatusCounters": training_counters,
            "ObjectiveStatusCounters": objective_counters,
        }
        if judged:
            best = min if self._objective["Type"] == "Minimize" else max
            members["BestTrainingJob"] = best(judged, key=_final_value)
        return members

    def summaries(self) -> list[dict[str, Any]]:
        """A summary of each training job so far."""
        return [self._summary(job) for job in self._jobs()]

    def _summary(self, job: Description) -> dict[str, Any]:
        """The summary of a training job; with its objective if it completed."""
        summary = {member: job[member] for member in _SUMMARIZED if member in job}
        hyperparameters = job["HyperParameters"]
        summary["TunedHyperParameters"] = {
            name: hyperparameters[name] for name in self._drawn[0]
        }
        metrics = {
            metric["MetricName"]: metric["Value"]
            for metric in job.get("FinalMetricDataList", [])
        }
        name = self._objective["MetricName"]
        status = job["TrainingJobStatus"]
        if status == "Completed" and name in metrics:
            summary["ObjectiveStatus"] = "Succeeded"
            summary[_FINAL_METRIC] = {**self._objective, "Value": metrics[name]}
        elif status in UNDER_WAY:
            summary["ObjectiveStatus"] = "Pending"
        else:
            summary["ObjectiveStatus"] = "Failed"
        return summary

    def _jobs(self) -> list[Description]:
        """The training jobs so far."""
        return [
            job
            for job in self._training.descriptions.all()
            if job.get("TuningJobArn") == self._arn
        ]


def _final_value(summary: Mapping[str, Any]) -> float:
    return float(summary[_FINAL_METRIC]["Value"])
