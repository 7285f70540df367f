"""``deploy``: an endpoint with the newest model, updated without downtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from launcher import names
from launcher.kinds import ENDPOINT, IN_SERVICE
from launcher.options import (
    Detach,
    DryRun,
    EndpointName,
    Json,
    OfJob,
    start_session,
)
from launcher.plans.alarms import plan_alarms
from launcher.plans.dashboards import plan_dashboard
from launcher.plans.hosting import config_name, model_name, plan_deploy, settle
from launcher.plans.scaling import plan_scaling
from launcher.requests import Action, Wait
from launcher.tables import aligned
from launcher.world.endpoints import (
    keep_instance_count,
    read_endpoint,
    read_hosting,
)
from launcher.world.jobs import chosen_training_job, trained_model
from launcher.world.operation import read_alarms, read_dashboard, read_scaling


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
    endpoint: EndpointName = None,
    detach: Detach = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Serve the newest model. An update has no downtime, and goes back to the last
    good one when it fails.
    """
    settings = {
        "hosting.kind": kind,
        "hosting.endpoint": endpoint,
        "hosting.instance_type": instance_type,
        "hosting.instance_count": instance_count,
    }
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config
    aws = session.aws
    name = names.endpoint(config)

    training_job = chosen_training_job(aws, config, job)
    training_job_name = training_job["TrainingJobName"]
    trained = trained_model(aws, config, training_job)
    account = session.account
    found = read_endpoint(aws, config)
    if found.status in ENDPOINT.under_way and found.ours and not dry_run:
        session.executor.perform([settle(name)])
        found = read_endpoint(aws, config)
    alarms = read_alarms(aws, config, name)
    dashboard = read_dashboard(aws, config, name)
    scaling = read_scaling(aws, name, alarms)
    found = replace(found, scales=scaling.bounds is not None)
    config = keep_instance_count(config, session.sources, found)
    model = model_name(config, trained)
    wanted = config_name(config, account, trained)
    state = read_hosting(aws, found, model, wanted)

    tags = names.tag_list(config)
    plan = [
        *plan_deploy(config, account, trained, state),
        # An endpoint can be scaled only once it is in service.
        *plan_scaling(config, name, scaling, tags),
        *plan_alarms(config, name, alarms, tags),
        *plan_dashboard(config, account, name, dashboard),
    ]
    if detach:
        plan = until_first_wait(plan)
    session.resume = "SageMaker goes on; run the same command again to wait for it"
    if_empty = f"endpoint {name} serves {training_job_name} already"
    if session.perform(plan, if_empty) is None:
        return

    described = aws.send(ENDPOINT.request("Describe", name))
    status = described["EndpointStatus"]
    in_service = described["EndpointConfigName"]
    value = {
        "endpoint": name,
        "status": status,
        "config": in_service,
        "training_job": training_job_name,
    }
    lines = [
        ("endpoint", f"{name} {status}"),
        ("model of", training_job_name),
        ("configuration", in_service),
    ]
    session.emit(value, aligned(lines))
    if status == IN_SERVICE:
        session.hint("`launcher predict 1:318` asks it, `launcher status` watches it")
    else:
        session.hint("`launcher deploy` waits until it serves, and sets the rest")


def until_first_wait(plan: Sequence[Action]) -> list[Action]:
    """What can be done at once; the same command, run again, does the rest."""
    begun: list[Action] = []
    for action in plan:
        if isinstance(action, Wait):
            break
        begun.append(action)
    return begun
