"""``logs``: the log of a job or an endpoint."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from launcher.errors import ConfigError
from launcher.kinds import IN_SERVICE
from launcher.logs import LogFollower, LogLine, log_of, on_a_screen
from launcher.options import Json, start_session
from launcher.world.inventory import find_job_or_endpoint

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until it has ended.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="No older lines: 90s, 10m, 2h."),
    ] = None,
    tail: Annotated[
        int | None, typer.Option(help="Only so many of the last lines.", min=0)
    ] = None,
    grep: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Only lines with this expression."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the log of a job or an endpoint."""
    age = parse_age(since) if since else None
    pattern = parse_pattern(grep) if grep else None
    session = start_session(context, as_json)
    session.resume = "the log goes on"
    resource = find_job_or_endpoint(session.aws, session.config, name)
    group, prefix = log_of(resource.kind, name)
    start = time.time() - age if age is not None else None
    follower = LogFollower(session.aws, group, prefix, start=start)

    is_empty = True
    while True:
        lines = matching(follower.new_lines(), pattern)
        # What comes later is new, however much there was before.
        shown = deque(lines, tail) if is_empty and tail is not None else lines
        for line in shown:
            is_empty = False
            _print_line(line, session.as_json)
        may_say_more = resource.is_under_way or resource.state == IN_SERVICE
        if not follow or not may_say_more:
            break
        session.executor.sleep(session.poll_seconds)
        resource = find_job_or_endpoint(session.aws, session.config, name)
    if is_empty:
        which = "nothing of that" if since or grep or tail == 0 else "nothing yet"
        session.say(f"{resource.kind} {name} ({resource.state}) has said {which}")


def parse_age(text: str) -> float:
    """How long ago, in seconds.

    Raises:
        ConfigError: the text isn't a number with a unit.

    Example:
        >>> parse_age("10m")
        600.0
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None:
        raise ConfigError(f"--since {text!r}: expected an age such as 90s, 10m, 2h, 1d")
    return float(int(match[1]) * _SECONDS[match[2]])


def parse_pattern(text: str) -> re.Pattern[str]:
    """A regular expression.

    Raises:
        ConfigError: the text isn't one.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(f"--grep {text!r}: {error}") from error


def matching(
    lines: Iterable[LogLine], pattern: re.Pattern[str] | None
) -> Iterator[LogLine]:
    """The lines that have a match, or all without a pattern."""
    for line in lines:
        if pattern is None or pattern.search(line.message):
            yield line


def _print_line(line: LogLine, as_json: bool) -> None:
    """Print a line of the log; as JSON it is an object on a line of its own."""
    if as_json:
        value = {"stream": line.stream, "message": line.message}
        print(json.dumps(value, ensure_ascii=False), flush=True)
    else:
        print(f"{line.host}  {on_a_screen(line.message)}", flush=True)
