"""``status``: our jobs and endpoints, and how the endpoints do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from launcher.options import Json, start_session
from launcher.session import Session
from launcher.tables import aligned, resource_table
from launcher.world.endpoint_view import EndpointView, read_endpoint_view
from launcher.world.inventory import (
    Resource,
    find_job_or_endpoint,
    read_endpoints,
    read_jobs,
)


def status(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A job or an endpoint (all of ours).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show our jobs and endpoints, and how the endpoints do."""
    session = start_session(context, as_json)
    config = session.config
    aws = session.aws
    if name:
        found = [find_job_or_endpoint(aws, config, name)]
    else:
        jobs = read_jobs(aws, config, trust_names=True)
        found = [*jobs, *read_endpoints(aws, config)]

    values: list[dict[str, Any]] = []
    parts: list[str] = []
    # What is shown of a single endpoint has its name and its state.
    if not found:
        parts.append("no jobs, no endpoints")
    elif not name or found[0].kind != "endpoint":
        parts.append(resource_table(found, session.width))
    for resource in found:
        value: dict[str, Any] = {**resource.to_json()}
        view = _view(session, resource)
        if view is not None:
            value["endpoint"] = view.to_json()
            parts.append(endpoint_lines(view))
        values.append(value)
    if name and found[0].reason:
        parts.append(found[0].reason)
    session.emit(values, "\n\n".join(parts))
    if not found:
        session.hint("`launcher train` starts a job")


def _view(session: Session, resource: Resource) -> EndpointView | None:
    if resource.kind != "endpoint":
        return None
    return read_endpoint_view(session.aws, session.config, resource.name)


def endpoint_lines(view: EndpointView) -> str:
    """How an endpoint does, for people."""
    capture = f"{view.capture_percent}%" if view.capture_percent else "off"
    rows = [
        (view.name, view.state),
        ("configuration", view.config_name),
        ("before", view.before or "none"),
        ("instances", _instances(view)),
        ("data capture", capture),
        ("alarms", _alarms(view)),
        ("last hour", _traffic(view)),
    ]
    return aligned(rows)


def _instances(view: EndpointView) -> str:
    if not view.instance_type:
        return "none of its own (serverless)"
    said = f"{view.instance_count} of {view.instance_type}"
    if view.scaling.bounds is None:
        return said
    least, most = view.scaling.bounds
    return f"{said}, scaled between {least} and {most}"


def _alarms(view: EndpointView) -> str:
    named = {
        name.removeprefix(f"{view.name}-"): alarm.state
        for name, alarm in view.scaling.alarms.items()
    }
    return ", ".join(f"{name} {state}" for name, state in named.items()) or "none"


def _traffic(view: EndpointView) -> str:
    traffic = view.traffic
    requests = "request" if traffic.requests == 1 else "requests"
    counts = (
        f"{traffic.requests:,} {requests}, {traffic.failed:,} failed, "
        f"{traffic.refused:,} refused"
    )
    if traffic.p99_ms is None:
        return counts
    return f"{counts}, 99% within {traffic.p99_ms:.3g} ms"
