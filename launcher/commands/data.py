"""``data``: check the raw MovieLens files and upload those that changed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from launcher.options import DryRun, Json, start_session
from launcher.plans.data import LocalFile, plan_data
from launcher.session import Session
from launcher.world.data import remote_files
from launcher.world.local_data import LocalData, read_local_data


def data(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Raw MovieLens files (setting: data).")
    ] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Check raw MovieLens files, and upload those that changed. The reader is the
    one that training uses.
    """
    settings = {"data": str(directory)} if directory else {}
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config
    session.say_doing(f"check {config.data}")
    local = read_local_data(config)
    if local.n_dropped:
        session.say(dropped_line(local))

    remote = remote_files(session.aws, config, session.account)
    plan = plan_data(config, session.account, local.files, remote)
    changed = [file for file in local.files if remote.get(file.name) != file.sha256]
    with upload_progress(session, sum(file.size for file in changed)):
        performed = session.perform(plan, "the bucket has all of it already")
    if performed is None:
        return

    files = {
        file.name: {"bytes": file.size, "sha256": file.sha256} for file in local.files
    }
    session.emit(
        {
            "files": files,
            "ratings": local.n_ratings,
            "dropped": dict(local.dropped),
            "changed": len(plan),
        },
        "\n".join(_line(file) for file in local.files),
    )
    session.hint("`launcher train` trains on it")


def dropped_line(local: LocalData) -> str:
    """How many ratings a job will drop, for people."""
    n_rows = local.n_ratings + local.n_dropped
    reasons = [
        f"{count:,} {reason.replace('_', ' ')}"
        for reason, count in local.dropped.items()
        if count
    ]
    return (
        f"training will drop {local.n_dropped:,} of {n_rows:,} ratings: "
        f"{', '.join(reasons)}"
    )


def _line(file: LocalFile) -> str:
    return f"{file.name:24}  {file.size:>14,} bytes  {file.sha256[:12]}"


@contextlib.contextmanager
def upload_progress(session: Session, size: int) -> Iterator[None]:
    """Show a progress bar on stderr while something is uploaded, if it is a terminal.

    Args:
        session: whose requests report their progress.
        size: bytes to upload.
    """
    shows_bar = size > 0 and sys.stderr.isatty() and not session.dry_run
    if not shows_bar:
        yield
        return

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("upload", total=size)
        session.progress = lambda count: bar.update(task, advance=count)
        yield
