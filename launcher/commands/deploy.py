"""``deploy``: an endpoint with the newest model, updated without downtime."""

from __future__ import annotations

from typing import Annotated

import typer

from launcher import names
from launcher.kinds import ENDPOINT
from launcher.options import DryRun, Json, OfJob, start_session
from launcher.plans.hosting import config_name, model_name, plan_deploy, settle
from launcher.world.endpoints import (
    keep_instance_count,
    read_endpoint,
    read_hosting,
)
from launcher.world.jobs import chosen_training_job, trained_model


def deploy(
    context: typer.Context,
    job: OfJob = None,
    kind: Annotated[
        str | None, typer.Option(help="real-time, serverless or async.")
    ] = None,
    instance_type: Annotated[
        str | None, typer.Option(help="Such as ml.m5.large.")
    ] = None,
    instance_count: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Serve the newest model; update without downtime, and go back to the last good one
    when that fails.
    """
    settings = {
        "hosting.kind": kind,
        "hosting.instance_type": instance_type,
        "hosting.instance_count": instance_count,
    }
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config
    account = session.account
    aws = session.aws
    endpoint = names.endpoint(config)

    training_job = chosen_training_job(aws, config, job)
    training_job_name = training_job["TrainingJobName"]
    trained = trained_model(aws, config, training_job)
    found = read_endpoint(aws, config)
    if found.status in ENDPOINT.under_way and found.ours and not dry_run:
        session.executor.perform([settle(endpoint)])
        found = read_endpoint(aws, config)
    config = keep_instance_count(config, session.sources, found)
    model = model_name(config, trained)
    wanted = config_name(config, account, trained)
    state = read_hosting(aws, found, model, wanted)

    plan = plan_deploy(config, account, trained, state)
    session.resume = "SageMaker goes on; run the same command again to wait for it"
    if_empty = f"endpoint {endpoint} serves {training_job_name} already"
    if session.perform(plan, if_empty) is None:
        return

    described = aws.send(ENDPOINT.request("Describe", endpoint))
    status = described["EndpointStatus"]
    in_service = described["EndpointConfigName"]
    value = {
        "endpoint": endpoint,
        "status": status,
        "config": in_service,
        "training_job": training_job_name,
    }
    session.emit(value, f"{endpoint}  {status}  {training_job_name}  {in_service}")
