"""``logs``: the log of a job or an endpoint."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from launcher.kinds import IN_SERVICE
from launcher.logs import LogFollower, log_of
from launcher.options import Json, start_session
from launcher.world.inventory import find_job_or_endpoint


def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until it has ended.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the log of a job or an endpoint."""
    session = start_session(context, as_json)
    session.resume = "the log goes on"
    resource = find_job_or_endpoint(session.aws, session.config, name)
    group, prefix = log_of(resource.kind, name)
    follower = LogFollower(session.aws, group, prefix)
    is_empty = True
    while True:
        for stream, message in follower.new_lines():
            is_empty = False
            _print_line(stream, message, session.as_json)
        may_say_more = resource.is_under_way or resource.state == IN_SERVICE
        if not follow or not may_say_more:
            break
        session.executor.sleep(session.poll_seconds)
        resource = find_job_or_endpoint(session.aws, session.config, name)
    if is_empty:
        session.say(f"{resource.kind} {name} ({resource.state}) has said nothing yet")


def _print_line(stream: str, message: str, as_json: bool) -> None:
    """Print a line of the log; as JSON it is an object on a line of its own."""
    if as_json:
        value = {"stream": stream, "message": message}
        print(json.dumps(value, ensure_ascii=False), flush=True)
    else:
        print(f"{stream.rpartition('/')[2]}  {message}", flush=True)
