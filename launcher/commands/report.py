"""``report``: the training report of a job, in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from launcher.options import Json, start_session
from launcher.world.jobs import chosen_training_job, read_report


def report(
    context: typer.Context,
    job: Annotated[
        str | None, typer.Argument(help="A training job (our newest).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to (JOB-report.html)."
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Fetch the training report of a job and open it."""
    session = start_session(context, as_json)
    described = chosen_training_job(session.aws, session.config, job)
    name = described["TrainingJobName"]
    page = read_report(session.aws, described)

    path = output or Path(f"{name}-report.html")
    path.write_bytes(page)
    is_shown = show and webbrowser.open(path.resolve().as_uri())
    if show and not is_shown:
        session.say("there is no browser here: open the file yourself")
    session.emit({"training_job": name, "report": str(path)}, str(path))
