"""``tune``: one tuning job, from its start to its best training job."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from launcher import names
from launcher.config import Config
from launcher.following import already_there, follow
from launcher.kinds import TUNING_JOB
from launcher.options import (
    Again,
    Detach,
    DryRun,
    Hyperparameters,
    Json,
    Yes,
    hyperparameter_settings,
    start_session,
)
from launcher.plans.jobs import plan_tuning
from launcher.tables import text_table, three_digits
from launcher.world.jobs import read_attempts, read_inputs


def tune(
    context: typer.Context,
    hyperparameters: Hyperparameters = None,
    max_jobs: Annotated[
        int | None, typer.Option(help="Training jobs in all.", min=1)
    ] = None,
    parallel_jobs: Annotated[
        int | None, typer.Option(help="How many at the same time.", min=1)
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="Metric, such as test:rmse.")
    ] = None,
    yes: Yes = False,
    detach: Detach = False,
    again: Again = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Search hyperparameters. Those given with -p are fixed, the other declared
    ranges are searched.
    """
    settings = {
        "tuning.max_jobs": max_jobs,
        "tuning.parallel_jobs": parallel_jobs,
        "tuning.objective": objective,
        **hyperparameter_settings(hyperparameters),
    }
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config

    inputs = read_inputs(session.aws, config, session.account)
    search_term = names.search_term(config)
    found = read_attempts(session.aws, TUNING_JOB, containing=search_term)
    job = plan_tuning(config, inputs, found, again)
    if job.actions and not session.dry_run:
        session.say(most_work(config))
        # A script has decided already.
        if not yes and sys.stdin.isatty():
            session.confirm("start it?")
    if session.perform(job.actions, already_there("tuning job", job)) is None:
        return
    if detach:
        session.emit({"tuning_job": job.name}, job.name)
        session.hint("`launcher tune` follows it, `launcher stop` ends it")
        return

    described = follow(session, "tuning job", job)
    best = described.get("BestTrainingJob", {})
    value = {
        "tuning_job": job.name,
        "status": described["HyperParameterTuningJobStatus"],
        "best": best,
    }
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    tuned = best.get("TunedHyperParameters", {})
    rows = [(name, three_digits(value)) for name, value in tuned.items()]
    value_of_best = metric.get("Value", "")
    rows.append((metric.get("MetricName", "objective"), three_digits(value_of_best)))
    best_name = best.get("TrainingJobName", "none")
    table = text_table(("hyperparameter", "value"), rows)
    session.emit(value, f"{job.name}: best is {best_name}\n\n{table}")
    session.hint("`launcher deploy` serves the best model")


def most_work(config: Config) -> str:
    """How much a tuning job can come to, for people."""
    jobs = config.tuning_max_jobs
    count = config.training_instance_count
    hours = jobs * count * config.training_max_seconds / 3600
    return (
        f"at most {hours:,.1f} instance hours: {jobs} training jobs, "
        f"{config.tuning_parallel_jobs} at a time,\n"
        f"each up to {config.training_max_seconds:,} s on {count} x "
        f"{config.training_instance_type}"
    )
