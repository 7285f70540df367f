"""``rollback``: an endpoint goes back to a configuration that it had."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.kinds import ENDPOINT_CONFIG, IN_SERVICE, MODEL
from launcher.options import DryRun, EndpointName, Json, start_session
from launcher.plans.hosting import plan_update
from launcher.tables import aligned
from launcher.world.endpoints import HostingState, read_endpoint
from launcher.world.resources import is_ours


def rollback(
    context: typer.Context,
    configuration: Annotated[
        str | None,
        typer.Argument(help="An endpoint configuration (the one before the last)."),
    ] = None,
    endpoint: EndpointName = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Give the endpoint an earlier configuration back. It is the one before the
    last update, or a named one.
    """
    settings = {"hosting.endpoint": endpoint}
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config
    aws = session.aws
    name = names.endpoint(config)
    state = read_endpoint(aws, config)
    wanted = configuration or state.before
    _check_endpoint(name, state, wanted)

    plan = []
    if wanted != state.config_name:
        _check_configuration(aws, config, wanted)
        plan = plan_update(config, state, wanted)
    session.resume = "SageMaker goes on; run the same command again to wait for it"
    answers = session.perform(plan, f"endpoint {name} has {wanted} already")
    if answers is None:
        return
    value = {"endpoint": name, "config": wanted, "before": state.config_name}
    session.emit(value, aligned([("endpoint", name), ("configuration", wanted)]))
    if answers:
        session.hint("`launcher status` watches it, `launcher rollback` undoes this")


def _check_endpoint(name: str, state: HostingState, wanted: str) -> None:
    if not state.status or not state.ours:
        raise LauncherError(
            f"there is no endpoint {name} of ours: run `launcher deploy`"
        )
    if state.status != IN_SERVICE:
        raise LauncherError(
            f"endpoint {name} is {state.status}: SageMaker updates only one that is "
            f"{IN_SERVICE}; `launcher deploy` repairs it"
        )
    if not wanted:
        raise LauncherError(
            f"endpoint {name} has had no other configuration: name one, as in "
            f"`launcher rollback {state.config_name}`"
        )


def _check_configuration(aws: Aws, config: Config, name: str) -> None:
    """Check that a configuration is ours and that its models are still there."""
    described = aws.send_or_none(ENDPOINT_CONFIG.request("Describe", name))
    if described is None or not is_ours(aws, config, described["EndpointConfigArn"]):
        raise LauncherError(f"there is no endpoint configuration {name} of ours")
    variants: list[dict[str, Any]] = described["ProductionVariants"]
    for variant in variants:
        model = variant.get("ModelName", "")
        if aws.send_or_none(MODEL.request("Describe", model)) is None:
            raise LauncherError(
                f"endpoint configuration {name} serves model {model}, which is gone"
            )
