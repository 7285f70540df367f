"""``data``: check raw MovieLens files and upload what changed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from launcher.options import DryRun, Json, start_session
from launcher.plans.data import plan_data
from launcher.session import Session
from launcher.world.data import local_files, remote_files


def data(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Raw MovieLens files (setting: data).")
    ] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Check raw MovieLens files with the reader that training uses; upload those that
    changed.
    """
    settings = {"data": str(directory)} if directory else {}
    session = start_session(context, as_json, dry_run, settings=settings)
    config = session.config
    session.say_doing(f"check {config.data}")
    local = local_files(Path(config.data))
    remote = remote_files(session.aws, config, session.account)
    plan = plan_data(config, session.account, local, remote)
    size = sum(file.size for file in local if remote.get(file.name) != file.sha256)
    with upload_progress(session, size):
        if session.perform(plan, "the bucket has all of it already") is None:
            return
    files = {file.name: {"bytes": file.size, "sha256": file.sha256} for file in local}
    session.emit(
        {"files": files, "changed": len(plan)},
        "\n".join(
            f"{file.name:24}  {file.size:>14,} bytes  {file.sha256[:12]}"
            for file in local
        ),
    )


@contextlib.contextmanager
def upload_progress(session: Session, size: int) -> Iterator[None]:
    """A bar of ``size`` bytes on stderr while something is uploaded, where stderr is a
    terminal.
    """
    if not (size and sys.stderr.isatty() and not session.dry_run):
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
