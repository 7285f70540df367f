"""``compare``: several training jobs side by side."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from launcher.comparison import are_tested_alike, comparison_table
from launcher.errors import ConfigError
from launcher.options import Json, start_session
from launcher.world.jobs import completed_training_job, read_results


def compare(
    context: typer.Context,
    jobs: Annotated[
        list[str], typer.Argument(metavar="JOB JOB", help="Completed training jobs.")
    ],
    page: Annotated[
        Path, typer.Option("--page", metavar="FILE", help="Where the page goes.")
    ] = Path("comparison.html"),
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Put several training jobs side by side, on a page of charts.

    The table and the page show their figures, and which hyperparameters differ.
    """
    from launcher.comparison_page import comparison_page

    names = list(dict.fromkeys(jobs))
    if len(names) < 2:
        raise ConfigError(
            "give at least two training jobs; `launcher status` lists ours"
        )
    session = start_session(context, as_json)
    results = {
        name: read_results(session.aws, completed_training_job(session.aws, name))
        for name in names
    }
    evaluations = {name: evaluation for name, (evaluation, _) in results.items()}
    if not are_tested_alike(list(evaluations.values())):
        session.say("these jobs were tested on different rows: compare with care")
    page.write_text(comparison_page(results), encoding="utf-8")
    value = {name: each.to_json() for name, each in evaluations.items()}
    session.emit(value, comparison_table(evaluations, session.width))

    session.say(f"the page is {page}")
    if show and not webbrowser.open(page.resolve().as_uri()):
        session.say("there is no browser here: open the file yourself")
