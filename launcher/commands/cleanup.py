"""``cleanup``: deletes everything of ours, found by its tag."""

from __future__ import annotations

import sys

import typer

from launcher.options import DryRun, Json, Yes, start_session
from launcher.plans.cleanup import plan_cleanup, plan_stops
from launcher.session import Session
from launcher.tables import resource_table
from launcher.terminal import width_of
from launcher.world.inventory import Resource, read_inventory


def cleanup(
    context: typer.Context,
    yes: Yes = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """List all that carries our tag, then delete it."""
    session = start_session(context, as_json, dry_run)
    found = _deletable(session)
    if not found:
        list_name = "plan" if dry_run else "deleted"
        session.emit({list_name: []}, "nothing of ours is left to delete")
        return

    if not dry_run and not session.as_json:
        # So each thing has its line already.
        session.say(resource_table(found, width_of(sys.stderr)))
        session.quiet = True
    if not dry_run and not yes:
        session.confirm(f"delete these {len(found)}, with all that is in them?")
    stops = plan_stops(found)
    if stops and not dry_run:
        session.executor.perform(stops)
        # Read again, to delete what the stopped jobs have still uploaded as well.
        stops = []
        found = _deletable(session)
    deletions = plan_cleanup(session.account, found)
    if session.perform([*stops, *deletions], if_empty="") is not None:
        deleted = [resource.to_json() for resource in found]
        session.emit({"deleted": deleted}, f"{len(found)} deleted")


def _deletable(session: Session) -> list[Resource]:
    """All of ours, except transform jobs that have ended: they can't be deleted."""
    found = read_inventory(session.aws, session.config, session.account)
    return [
        resource
        for resource in found
        if resource.kind != "transform job" or resource.is_under_way
    ]
