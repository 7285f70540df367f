"""``compare``: several training jobs side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from launcher.comparison import are_tested_alike, comparison_table
from launcher.errors import ConfigError
from launcher.options import Json, start_session
from launcher.world.jobs import describe_training_job, read_evaluation


def compare(
    context: typer.Context,
    jobs: Annotated[
        list[str], typer.Argument(metavar="JOB JOB...", help="Completed training jobs.")
    ],
    as_json: Json = False,
) -> None:
    """Put several training jobs side by side, and what differs."""
    names = list(dict.fromkeys(jobs))
    if len(names) < 2:
        raise ConfigError(
            "give at least two training jobs; `launcher status` lists ours"
        )
    session = start_session(context, as_json)
    evaluations = {
        name: read_evaluation(session.aws, describe_training_job(session.aws, name))
        for name in names
    }
    if not are_tested_alike(list(evaluations.values())):
        session.say("these jobs were tested on different rows: compare with care")
    value = {name: each.to_json() for name, each in evaluations.items()}
    session.emit(value, comparison_table(evaluations))
