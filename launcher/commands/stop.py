"""``stop``: ends a job or an endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from launcher.kinds import ABSENT
from launcher.options import DryRun, Json, start_session
from launcher.plans.alarms import plan_no_alarms
from launcher.plans.cleanup import plan_stops
from launcher.plans.dashboards import plan_no_dashboard
from launcher.plans.hosting import plan_deletion
from launcher.plans.scaling import plan_no_scaling
from launcher.world.inventory import find_job_or_endpoint
from launcher.world.operation import read_alarms, read_dashboard, read_scaling


def stop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Stop a job, or delete an endpoint but not its model."""
    session = start_session(context, as_json, dry_run)
    resource = find_job_or_endpoint(session.aws, session.config, name)
    if resource.kind == "endpoint":
        alarms = read_alarms(session.aws, session.config, name)
        scaling = read_scaling(session.aws, name, alarms)
        dashboard = read_dashboard(session.aws, session.config, name)
        has_dashboard = dashboard is not None and dashboard.ours
        plan = [
            *plan_no_scaling(name, scaling),
            *plan_no_alarms([each for each in alarms if alarms[each].ours]),
            *(plan_no_dashboard(name) if has_dashboard else []),
            *plan_deletion(name, resource.state),
        ]
    else:
        plan = plan_stops([resource])
    what = f"{resource.kind} {name}"
    answers = session.perform(plan, f"{what} has ended already")
    if answers is None:
        return
    # The last action waits for the state in which it ends.
    state = answers[-1]["state"] if answers else resource.state
    shown = "deleted" if state == ABSENT else state
    value = {"kind": resource.kind, "name": name, "state": shown}
    session.emit(value, f"{what} is {shown}")
