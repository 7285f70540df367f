"""``train``: one training job, from its start to its evaluation."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from launcher.following import already_there, follow
from launcher.kinds import TRAINING_JOB
from launcher.options import (
    Again,
    Detach,
    DryRun,
    Hyperparameters,
    Json,
    hyperparameter_settings,
    start_session,
)
from launcher.outcome import outcome_text
from launcher.plans.jobs import plan_training, training_name
from launcher.world.jobs import (
    output_archive,
    read_attempts,
    read_evaluation,
    read_inputs,
)


def train(
    context: typer.Context,
    hyperparameters: Hyperparameters = None,
    spot: Annotated[
        bool | None, typer.Option("--spot/--on-demand", help="Managed spot training.")
    ] = None,
    instance_type: Annotated[
        str | None, typer.Option(help="Such as ml.m5.xlarge.")
    ] = None,
    instance_count: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    detach: Detach = False,
    again: Again = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Run a training job, follow it, and show its evaluation."""
    settings = {
        "training.spot": spot,
        "training.instance_type": instance_type,
        "training.instance_count": instance_count,
        **hyperparameter_settings(hyperparameters),
    }
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config

    inputs = read_inputs(session.aws, config, session.account)
    first_name = training_name(config, inputs)
    found = read_attempts(session.aws, TRAINING_JOB, containing=first_name)
    job = plan_training(config, inputs, found, again)
    if session.perform(job.actions, already_there("training job", job)) is None:
        return
    if detach:
        session.emit({"training_job": job.name}, job.name)
        session.hint("`launcher train` follows it, `launcher stop` ends it")
        return

    described = follow(session, "training job", job)
    evaluation = read_evaluation(session.aws, described)
    metrics = described.get("FinalMetricDataList", [])
    billed = billing_line(described)
    value = {
        "training_job": job.name,
        "status": described["TrainingJobStatus"],
        "model": described["ModelArtifacts"]["S3ModelArtifacts"],
        "metrics": {metric["MetricName"]: metric["Value"] for metric in metrics},
        "billable_seconds": described.get("BillableTimeInSeconds"),
        "evaluation": evaluation.to_json(),
    }
    outcome = outcome_text(job.name, evaluation, output_archive(described))
    session.emit(value, f"{outcome}\n{billed}" if billed else outcome)
    session.hint("`launcher deploy` serves this model, `launcher register` keeps it")


def billing_line(job: dict[str, Any]) -> str:
    """What a job is billed for, for people; empty if SageMaker doesn't say.

    Spot jobs are billed for less time than they took.
    """
    billed = job.get("BillableTimeInSeconds")
    if billed is None:
        return ""
    resources = job["ResourceConfig"]
    count = resources["InstanceCount"]
    said = f"billed  {billed:,} s of {count} x {resources['InstanceType']}"
    took = job.get("TrainingTimeInSeconds", 0)
    if billed < took:
        said += f", {1 - billed / took:.0%} less than the {took:,} s that it took"
    return said
