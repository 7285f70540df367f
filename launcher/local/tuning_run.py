"""One tuning job from its start to its end, in a thread: training jobs, so many at a
time, and the best of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from launcher.local.errors import RefusedError
from launcher.local.records import Record, Records
from launcher.local.search import draws
from launcher.local.training import UNDER_WAY, TrainingJobs

# The platform tells the job by this hyperparameter what it is judged by.
OBJECTIVE = "_tuning_objective_metric"
_STATE = "TrainingJobStatus"
_METRIC = "FinalHyperParameterTuningJobObjectiveMetric"
_POLL_SECONDS = 0.2
_DAY_SECONDS = 86_400
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    _STATE,
)
_NO_REQUEST = (
    "DefinitionName",
    "TuningObjective",
    "HyperParameterRanges",
    "StaticHyperParameters",
    "RetryStrategy",
)

_NONE_COMPLETED = "All training jobs failed. Please take a look at the training jobs failures to get more details."

_log = logging.getLogger(__name__)


class TuningRun(threading.Thread):
    """Runs the training jobs of one tuning job, whose request it is made of."""

    def __init__(
        self, training: TrainingJobs, records: Records, job: Mapping[str, Any]
    ) -> None:
        self._tuning_name = job[records.kind.name]
        super().__init__(daemon=True, name=f"tuning-{self._tuning_name}")
        self._training = training
        self._records = records
        self._arn = records.arn_of(self._tuning_name)
        self._definition = job["TrainingJobDefinition"]
        self._tags = {"Tags": job["Tags"]} if "Tags" in job else {}
        config = job["HyperParameterTuningJobConfig"]
        self._objective = config["HyperParameterTuningJobObjective"]
        self._limits = config["ResourceLimits"]
        self._most = self._limits.get("MaxNumberOfTrainingJobs", 1)
        self._drawn = list(
            islice(
                draws(
                    config["ParameterRanges"],
                    config.get("RandomSeed", self._tuning_name),
                ),
                self._most,
            )
        )
        self._stopped = threading.Event()

    def request(self, number: int) -> dict[str, Any]:
        """CreateTrainingJob of a number, counted from 1."""
        fixed = self._definition.get("StaticHyperParameters", {})
        metric = {OBJECTIVE: self._objective["MetricName"]}
        return {
            **{
                key: value
                for key, value in self._definition.items()
                if key not in _NO_REQUEST
            },
            **self._tags,
            "TrainingJobName": f"{self._tuning_name}-{number:03}",
            "HyperParameters": {**fixed, **self._drawn[number - 1], **metric},
        }

    def stop(self) -> None:
        """Begin no more jobs, and stop those that run."""
        self._stopped.set()
        for job in self._jobs():
            if job[_STATE] == "InProgress":
                self._training.stop(job)

    def run(self) -> None:
        """Run all; whatever happens, the tuning job ends in a final state."""
        state, reason = "Failed", ""
        longest = threading.Timer(
            self._limits.get("MaxRuntimeInSeconds", 30 * _DAY_SECONDS), self.stop
        )
        longest.daemon = True
        longest.start()
        try:
            with ThreadPoolExecutor(
                self._limits["MaxParallelTrainingJobs"], self.name
            ) as pool:
                list(pool.map(self._train, range(1, self._most + 1)))
            state, reason = self._outcome()
        except Exception as error:  # the boundary: a bug of ours must not leave a job InProgress for ever
            _log.exception("tuning job %s", self._tuning_name)
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            raise
        finally:
            longest.cancel()
            said = {"FailureReason": reason} if reason else {}
            final = {
                self._records.kind.state: state,
                "HyperParameterTuningEndTime": time.time(),
                **said,
            }
            self._records.set(self._tuning_name, **self.progress(), **final)

    def _outcome(self) -> tuple[str, str]:
        """State and FailureReason."""
        if self._records.get(self._tuning_name)[self._records.kind.state] == "Stopping":
            return "Stopped", ""
        if any(job[_STATE] in ("Completed", "Stopped") for job in self._jobs()):
            return "Completed", ""
        return "Failed", _NONE_COMPLETED

    def _train(self, number: int) -> None:
        """One training job to its end."""
        if self._stopped.is_set():
            return
        request = self.request(number)
        try:
            self._training.create(request, TuningJobArn=self._arn)
        except RefusedError as error:  # such as data that was deleted meanwhile
            _log.warning(
                "training job %s isn't begun: %s",
                request["TrainingJobName"],
                error.message,
            )
            return
        if self._stopped.is_set():  # since the first look
            self.stop()
        while (
            self._training.records.get(request["TrainingJobName"])[_STATE] in UNDER_WAY
        ):
            self._records.set(self._tuning_name, **self.progress())
            time.sleep(_POLL_SECONDS)
        self._records.set(self._tuning_name, **self.progress())

    def progress(self) -> dict[str, Any]:
        """The members of the description that change while it runs."""
        found = self.summaries()
        states = [summary[_STATE] for summary in found]
        judged = [summary for summary in found if _METRIC in summary]
        running = sum(state in UNDER_WAY for state in states)
        sign = 1 if self._objective["Type"] == "Minimize" else -1
        best = min(
            judged, key=lambda summary: sign * summary[_METRIC]["Value"], default=None
        )
        return {
            "TrainingJobStatusCounters": {
                "Completed": states.count("Completed"),
                "InProgress": running,
                "RetryableError": 0,
                "NonRetryableError": states.count("Failed"),
                "Stopped": states.count("Stopped"),
            },
            "ObjectiveStatusCounters": {
                "Succeeded": len(judged),
                "Pending": running,
                "Failed": len(found) - running - len(judged),
            },
            **({"BestTrainingJob": best} if best else {}),
        }

    def summaries(self) -> list[dict[str, Any]]:
        """A summary of each training job, with the objective metric of those that
        completed.
        """
        return [self._summary(job) for job in self._jobs()]

    def _summary(self, job: Record) -> dict[str, Any]:
        values = {
            metric["MetricName"]: metric["Value"]
            for metric in job.get("FinalMetricDataList", [])
        }
        name = self._objective["MetricName"]
        is_judged = job[_STATE] == "Completed" and name in values
        return {
            **{key: job[key] for key in _SUMMARY if key in job},
            "TunedHyperParameters": {
                key: job["HyperParameters"][key] for key in self._drawn[0]
            },
            "ObjectiveStatus": "Succeeded"
            if is_judged
            else "Pending"
            if job[_STATE] in UNDER_WAY
            else "Failed",
            **(
                {_METRIC: {**self._objective, "Value": values[name]}}
                if is_judged
                else {}
            ),
        }

    def _jobs(self) -> list[Record]:
        """Its training jobs so far."""
        return [
            job
            for job in self._training.records.all()
            if job.get("TuningJobArn") == self._arn
        ]
