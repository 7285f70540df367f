"""``status``, ``logs``, ``stop`` and ``cleanup``: everything of ours, found by its tag."""

from __future__ import annotations

import dataclasses
import json

from launcher.errors import LauncherError
from launcher.inventory import Resource, read_endpoints, read_inventory, read_jobs
from launcher.logs import LogFollower, log_of
from launcher.plans.cleanup import costs, plan_cleanup, plan_stop, plan_stops
from launcher.plans.hosting import PASSING, plan_deletion
from launcher.plans.jobs import UNDER_WAY
from launcher.session import Session, table


def status(session: Session, name: str | None) -> None:
    """Our jobs and endpoints, or one of them.

    Raises:
        LauncherError: if the one isn't there.
    """
    found = (
        [_named(session, name)]
        if name
        else [*read_jobs(session.aws, session.config), *_endpoints(session)]
    )
    session.emit(
        [_json(r) for r in found], _shown(found) if found else "no jobs, no endpoints"
    )


def logs(session: Session, name: str, follow: bool) -> None:
    """The log of a job or an endpoint, as JSON an object a line; with ``follow`` until
    it has ended.

    Raises:
        LauncherError: if it isn't there, or has said nothing yet.
    """
    resource = _named(session, name)
    group, prefix = log_of(resource.kind, name)
    follower = LogFollower(session.aws, group, prefix)
    session.resume = "the log goes on"
    said = False
    while True:
        for stream, line in follower.new_lines():
            said = True
            if session.as_json:
                print(
                    json.dumps({"stream": stream, "message": line}, ensure_ascii=False),
                    flush=True,
                )
            else:
                print(f"{stream.rpartition('/')[2]}  {line}", flush=True)
        if not follow or resource.state not in (*UNDER_WAY, *PASSING, "InService"):
            break
        session.executor.sleep(session.poll_seconds)
        resource = _named(session, name)
    if not said:
        session.say(f"{resource.kind} {name} ({resource.state}) has said nothing yet")


def stop(session: Session, name: str) -> None:
    """Stop a job, or delete an endpoint (its model and configuration stay, so that
    `deploy` brings it back).

    Raises:
        LauncherError: if it isn't there.
    """
    resource = _named(session, name)
    if resource.kind == "endpoint":
        plan = plan_deletion(name, resource.state)
    else:
        plan = list(plan_stop(resource)) if resource.state in UNDER_WAY else []
    if (
        session.perform(plan, f"{resource.kind} {name} is {resource.state} already")
        is not None
    ):
        session.emit(
            {"stopped": name, "kind": resource.kind},
            f"{resource.kind} {name} is stopped",
        )


def cleanup(session: Session, yes: bool) -> None:
    """Delete everything of ours, after one confirmation.

    Raises:
        LauncherError: if it isn't confirmed.
    """
    found = _deletable(session)
    if not found:
        session.emit(
            {"plan": []} if session.dry_run else {"deleted": []},
            "nothing of ours is left",
        )
        return
    if not (session.dry_run or session.as_json):
        session.say(_shown(found))
        session.say(f"all of it costs about ${costs(found):.2f} an hour")
    if not (yes or session.dry_run):
        confirm(f"delete these {len(found)}, with all that is in them?")
    stops, account = plan_stops(found), session.account.account
    if stops and not session.dry_run:
        session.executor.perform(stops)
        stops, found = [], _deletable(session)
    if session.perform([*stops, *plan_cleanup(account, found)], "") is not None:
        session.emit({"deleted": [_json(r) for r in found]}, f"{len(found)} deleted")


def _deletable(session: Session) -> list[Resource]:
    """All of ours, but for transform jobs that have ended: they can't be deleted and
    cost nothing.
    """
    found = read_inventory(session.aws, session.config, session.account)
    return [r for r in found if r.kind != "transform job" or r.state in UNDER_WAY]


def confirm(question: str) -> None:
    """Ask on the terminal.

    Raises:
        LauncherError: unless the answer is yes, and where nobody can be asked.
    """
    import sys

    if not sys.stdin.isatty():
        raise LauncherError("nobody can be asked here: add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise LauncherError("nothing was deleted")


def _endpoints(session: Session) -> list[Resource]:
    return list(read_endpoints(session.aws, session.config))


def _named(session: Session, name: str) -> Resource:
    for resource in (*_endpoints(session), *read_jobs(session.aws, session.config)):
        if resource.name == name:
            return resource
    raise LauncherError(
        f"none of our jobs and endpoints is named {name}: `launcher status` lists them"
    )


def _shown(found: list[Resource]) -> str:
    rows = [(r.kind, r.name, r.state, _price(r), r.created) for r in found]
    return table(("kind", "name", "state", "$ an hour", "created"), rows)


def _price(resource: Resource) -> str:
    return (
        "?" if resource.dollars_an_hour is None else f"{resource.dollars_an_hour:.2f}"
    )


def _json(resource: Resource) -> dict[str, object]:
    return {
        name: value
        for name, value in dataclasses.asdict(resource).items()
        if name != "parts"
    }
