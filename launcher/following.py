"""Follows a job to its end: its states and its log, as they come."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from launcher.errors import JobFailedError, LauncherError
from launcher.kinds import COMPLETED, FAILED, JOBS, Kind
from launcher.logs import LogFollower, LogLine, log_of, metrics_of, without_prefix
from launcher.plans.jobs import JobPlan
from launcher.redaction import redacted
from launcher.session import Session
from launcher.terminal import show_progress

_ROUND = re.compile(r"\bround \d+ of \d+\b")
# The line of the log that a table follows.
_EVALUATION = " evaluation (class: "


def already_there(kind: Kind, job: JobPlan) -> str:
    """What is said when a job needn't be started."""
    if job.state == COMPLETED:
        return f"{kind} {job.name} is done already; --again does it once more"
    return f"{kind} {job.name} is under way already"


def follow(session: Session, kind: Kind, plan: JobPlan) -> dict[str, Any]:
    """Say a job's states and log lines until it has ended, and return its description.

    Nothing is said of a job that was done before: `launcher logs` has its log.

    Raises:
        JobFailedError: the job didn't complete.
        LauncherError: there is no such job.
    """
    name = plan.name
    session.doing = f"follow {kind} {name}"
    session.resume = (
        "the job goes on; run the same command again to follow it, "
        f"or `launcher stop {name}` to end it"
    )
    job = JOBS[kind]
    group, prefix = log_of(kind, name)
    follower = LogFollower(session.aws, group, prefix)
    narrator = _Narrator(session)
    last_said = ""
    while True:
        described = session.aws.send_or_none(job.request("Describe", name))
        if described is None:
            raise LauncherError(f"there is no {kind} {name}")

        if plan.state == COMPLETED:
            return described
        state = described[job.state_member]
        # A tuning job runs several training jobs at once: too many lines to follow.
        lines = follower.new_lines() if kind != "tuning job" else iter(())
        if state not in job.under_way:
            # The end comes after what led to it.
            narrator.say_all(lines)
        said = _progress(state, described)
        if said != last_said:
            show_progress("")
            session.say(f"{name}: {said}")
            last_said = said
        if state not in job.under_way:
            break
        narrator.say_all(lines)
        session.executor.sleep(session.poll_seconds)

    show_progress("")
    if state != COMPLETED:
        said = f"{kind} {name} is {state}"
        if state == FAILED:
            reason = described.get("FailureReason") or "no reason was given"
            said += f": {reason}"
        raise JobFailedError(f"{said}; its log is {group}, streams {prefix}…")
    return described


@dataclass(slots=True)
class _Narrator:
    """Says lines of a log; on a terminal a round replaces the one before.

    The command ends with the evaluation, so its table and the metrics aren't said.
    """

    session: Session
    in_evaluation: bool = False

    def say_all(self, lines: Iterable[LogLine]) -> None:
        """Say lines, but for those that the command's end has again."""
        for line in lines:
            self._say(line.message)

    def _say(self, message: str) -> None:
        said = without_prefix(message)
        if said != message:
            self.in_evaluation = _EVALUATION in said
        elif self.in_evaluation:
            return
        if any(metrics_of(message)):
            return
        if _ROUND.search(said) and sys.stderr.isatty():
            show_progress(redacted(said))
            return
        show_progress("")
        self.session.say(said)


def _progress(state: str, described: dict[str, Any]) -> str:
    """How far a job is, on one line."""
    words = [state]
    secondary = described.get("SecondaryStatus", state)
    if secondary != state:
        words.append(secondary)
    counters = described.get("TrainingJobStatusCounters")
    if counters:
        completed = counters.get("Completed", 0)
        running = counters.get("InProgress", 0)
        words.append(f"({completed} completed, {running} running)")
    best = described.get("BestTrainingJob", {})
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric")
    if metric:
        words.append(f"best so far {metric['MetricName']} {metric['Value']:.3g}")
    return " ".join(words)
