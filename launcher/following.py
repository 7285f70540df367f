"""Follows a job to its end: its states and its log, as they come."""

from __future__ import annotations

from typing import Any

from launcher.errors import JobFailedError, LauncherError
from launcher.kinds import COMPLETED, FAILED, JOBS, Kind
from launcher.logs import LogFollower, log_of, metrics_of
from launcher.plans.jobs import JobPlan
from launcher.session import Session
from launcher.tables import text_table


def already_there(kind: Kind, job: JobPlan) -> str:
    """What is said when a job needn't be started."""
    if job.state == COMPLETED:
        return f"{kind} {job.name} is done already; --again does it once more"
    return f"{kind} {job.name} is under way already"


def follow(session: Session, kind: Kind, name: str) -> dict[str, Any]:
    """Say a job's states and log lines until it has ended, and return its description.

    Raises:
        JobFailedError: the job didn't complete.
        LauncherError: there is no such job.
    """
    session.doing = f"follow {kind} {name}"
    session.resume = (
        "the job goes on; run the same command again to follow it, "
        f"or `launcher stop {name}` to end it"
    )
    job = JOBS[kind]
    group, prefix = log_of(kind, name)
    follower = LogFollower(session.aws, group, prefix)
    metrics: dict[str, float] = {}
    last_said = ""
    while True:
        described = session.aws.send_or_none(job.request("Describe", name))
        if described is None:
            raise LauncherError(f"there is no {kind} {name}")

        state = described[job.state_member]
        said = _progress(state, described)
        if said != last_said:
            session.say(f"{name}: {said}")
            last_said = said
        # A tuning job runs several training jobs at once: too many lines to follow.
        if kind != "tuning job":
            for _, line in follower.new_lines():
                session.say(f"  {line}")
                metrics |= dict(metrics_of(line))

        if state not in job.under_way:
            break
        session.executor.sleep(session.poll_seconds)

    if metrics:
        rows = [(metric, f"{value:.4f}") for metric, value in metrics.items()]
        session.say(text_table(("metric", "value"), rows))
    if state != COMPLETED:
        said = f"{kind} {name} is {state}"
        if state == FAILED:
            reason = described.get("FailureReason") or "no reason was given"
            said += f": {reason}"
        raise JobFailedError(f"{said}; its log is {group}, streams {prefix}…")
    return described


def _progress(state: str, described: dict[str, Any]) -> str:
    """How far a job is, on one line."""
    words = [state]
    if described.get("SecondaryStatus"):
        words.append(described["SecondaryStatus"])
    counters = described.get("TrainingJobStatusCounters")
    if counters:
        completed = counters.get("Completed", 0)
        running = counters.get("InProgress", 0)
        words.append(f"({completed} completed, {running} running)")
    return " ".join(words)
