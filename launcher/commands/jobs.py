"""``train``, ``tune`` and ``transform``: start a job or meet it again, follow it to its
end, show what it brought.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from launcher import names
from launcher.errors import JobFailedError, LauncherError
from launcher.evaluation import evaluation_table
from launcher.execute import describe
from launcher.logs import LogFollower, log_of, metrics_of
from launcher.plans.hosting import model_name, plan_model
from launcher.plans.jobs import (
    DONE,
    UNDER_WAY,
    JobPlan,
    plan_training,
    plan_transform,
    plan_tuning,
    training_name,
)
from launcher.queries import read_pairs
from launcher.requests import Request
from launcher.s3_uri import S3Uri
from launcher.session import Session, table
from launcher.state import (
    describe_training,
    hosted,
    newest_model,
    read_attempts,
    read_evaluation,
    read_hosting,
    read_inputs,
)


def train(session: Session, detach: bool, again: bool) -> None:
    """One training job, to its evaluation.

    Raises:
        JobFailedError: with the job's own FailureReason.
    """
    config, aws = session.config, session.aws
    inputs = read_inputs(aws, config, session.account)
    job = plan_training(
        config,
        inputs,
        read_attempts(aws, "TrainingJob", training_name(config, inputs)),
        again,
    )
    if session.perform(job.actions, _meets("training job", job)) is None:
        return
    if detach:
        session.emit({"training_job": job.name}, job.name)
        return
    described = follow(session, "training job", job.name)
    evaluation = read_evaluation(aws, described)
    value = {
        "training_job": job.name,
        "status": described["TrainingJobStatus"],
        "model": described["ModelArtifacts"]["S3ModelArtifacts"],
        "metrics": {
            m["MetricName"]: m["Value"]
            for m in described.get("FinalMetricDataList", [])
        },
        "evaluation": evaluation,
    }
    session.emit(value, f"{job.name}\n\n{evaluation_table(evaluation)}")


def tune(session: Session, detach: bool, again: bool) -> None:
    """One tuning job, to its best training job.

    Raises:
        JobFailedError: with the job's own FailureReason.
    """
    config, aws = session.config, session.aws
    inputs = read_inputs(aws, config, session.account)
    found = read_attempts(aws, "HyperParameterTuningJob", names.searched(config))
    job = plan_tuning(config, inputs, found, again)
    if session.perform(job.actions, _meets("tuning job", job)) is None:
        return
    if detach:
        session.emit({"tuning_job": job.name}, job.name)
        return
    described = follow(session, "tuning job", job.name)
    best = described.get("BestTrainingJob", {})
    session.say("`launcher deploy` serves the best model")
    rows = [
        (name, value) for name, value in best.get("TunedHyperParameters", {}).items()
    ]
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    rows.append((metric.get("MetricName", "objective"), metric.get("Value", "")))
    session.emit(
        {
            "tuning_job": job.name,
            "status": described["HyperParameterTuningJobStatus"],
            "best": best,
        },
        f"{job.name}: best is {best.get('TrainingJobName', 'none')}\n\n{table(('hyperparameter', 'value'), rows)}",
    )


def transform(
    session: Session,
    path: Path,
    output: Path | None,
    detach: bool,
    again: bool,
    of_job: str | None,
) -> None:
    """A batch transform of a CSV of raw ids; its answers, JSON lines in the order of
    the rows, go to ``output`` or stdout.

    Raises:
        DataError: a row that isn't raw ids, before anything is uploaded.
        JobFailedError: with the job's own FailureReason.
    """
    config, aws = session.config, session.aws
    pairs = read_pairs(path)
    # Without a header: a transform cuts the file anywhere, and only the first piece
    # would have one.
    body = "".join(f"{pair.as_csv()}\n" for pair in pairs).encode()
    training = describe_training(aws, of_job) if of_job else newest_model(aws, config)
    what = hosted(aws, config, training)
    with tempfile.TemporaryDirectory(prefix="halfstar-") as directory:
        rows = Path(directory) / "rows.csv"
        rows.write_bytes(body)
        model = model_name(config, what)
        has_model = read_hosting(aws, config, session.account, what).has_model
        found = read_attempts(aws, "TransformJob", names.searched(config))
        sha256 = hashlib.sha256(body).hexdigest()
        job = plan_transform(config, session.account, model, rows, sha256, found, again)
        plan = [*plan_model(config, what, has_model), *job.actions]
        if session.perform(plan, _meets("transform job", job)) is None:
            return
    if detach:
        session.emit({"transform_job": job.name}, job.name)
        return
    described = follow(session, "transform job", job.name)
    answers = _transform_output(session, described, sha256)
    if output is not None:
        output.write_text(answers)
    value = {
        "transform_job": job.name,
        "rows": len(pairs),
        "output": described["TransformOutput"]["S3OutputPath"],
    }
    session.emit(
        value,
        f"{len(pairs):,} rows answered in {output}" if output else answers.rstrip("\n"),
    )


def _transform_output(session: Session, described: dict[str, Any], sha256: str) -> str:
    outputs = S3Uri.parse(described["TransformOutput"]["S3OutputPath"])
    answers = outputs / f"{sha256[:16]}.csv.out"
    found = session.aws.read("s3", "GetObject", Bucket=answers.bucket, Key=answers.key)
    return str(found["Body"].read().decode())


_DESCRIBED = {
    "training job": ("DescribeTrainingJob", "TrainingJobName", "TrainingJobStatus"),
    "tuning job": (
        "DescribeHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    ),
    "transform job": ("DescribeTransformJob", "TransformJobName", "TransformJobStatus"),
}


def follow(session: Session, kind: str, name: str) -> dict[str, Any]:
    """Say a job's log and states as they come, until it has ended; gives its
    description.

    Raises:
        JobFailedError: unless it ended well.
        LauncherError: if there is no such job.
    """
    operation, member, status = _DESCRIBED[kind]
    session.doing = f"follow {kind} {name}"
    session.resume = f"the job goes on; run the same command again to follow it, or `launcher stop {name}` to end it"
    request = Request("sagemaker", operation, {member: name})
    group, prefix = log_of(kind, name)
    follower, shown = LogFollower(session.aws, group, prefix), ""
    metrics: dict[str, float] = {}
    while True:
        described = describe(session.aws, request)
        if not described:
            raise LauncherError(f"there is no {kind} {name}")
        state = described[status]
        said = " ".join(
            filter(
                None, (state, described.get("SecondaryStatus", ""), _counts(described))
            )
        )
        if said != shown:
            session.say(f"{name}: {said}")
            shown = said
        # Of a tuning job, several training jobs at once would tell too much.
        for _, line in follower.new_lines() if kind != "tuning job" else ():
            session.say(f"  {line}")
            metrics |= dict(metrics_of(line))
        if state not in UNDER_WAY:
            break
        session.executor.sleep(session.poll_seconds)
    if metrics:
        session.say(
            table(
                ("metric", "value"),
                [(metric, f"{value:.4f}") for metric, value in metrics.items()],
            )
        )
    if state != DONE:
        reason = described.get("FailureReason") or "no reason was given"
        said = f"{kind} {name} is {state}" + (
            f": {reason}" if state == "Failed" else ""
        )
        raise JobFailedError(f"{said}; its log is {group}, streams {prefix}…")
    return described


def _counts(described: dict[str, Any]) -> str:
    """How far a tuning job is."""
    counters = described.get("TrainingJobStatusCounters", {})
    return (
        f"({counters.get('Completed', 0)} completed, {counters.get('InProgress', 0)} running)"
        if counters
        else ""
    )


def _meets(kind: str, job: JobPlan) -> str:
    """What is said where the work has its job already."""
    done = (
        "is done already; --again does it once more"
        if job.state == DONE
        else "is under way already"
    )
    return f"{kind} {job.name} {done}"
