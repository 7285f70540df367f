"""``status``: our jobs and endpoints."""

from __future__ import annotations

from typing import Annotated

import typer

from launcher.options import Json, start_session
from launcher.tables import resource_table
from launcher.world.inventory import find_job_or_endpoint, read_endpoints, read_jobs


def status(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A job or an endpoint (all of ours).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show our jobs and endpoints."""
    session = start_session(context, as_json)
    config = session.config
    aws = session.aws
    if name:
        found = [find_job_or_endpoint(aws, config, name)]
    else:
        jobs = read_jobs(aws, config, trust_names=True)
        found = [*jobs, *read_endpoints(aws, config)]
    shown = resource_table(found) if found else "no jobs, no endpoints"
    if name and found[0].reason:
        shown += f"\n\n{found[0].reason}"
    session.emit([resource.to_json() for resource in found], shown)
