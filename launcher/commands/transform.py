"""``transform``: answers a CSV file of raw ids with a batch transform."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from launcher import names
from launcher.following import already_there, follow
from launcher.kinds import TRANSFORM_JOB
from launcher.options import Again, Detach, DryRun, Json, OfJob, start_session
from launcher.plans.hosting import model_name, plan_model
from launcher.plans.jobs import TransformInput, plan_transform
from launcher.queries import read_pairs
from launcher.s3_uri import S3Uri
from launcher.world.endpoints import has_model
from launcher.world.jobs import chosen_training_job, read_attempts, trained_model


def transform(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV of userId,movieId[,timestamp].")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where the answers go (stdout)."),
    ] = None,
    job: OfJob = None,
    detach: Detach = False,
    again: Again = False,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Answer a CSV of raw ids with a batch transform, in its order."""
    session = start_session(context, as_json, dry_run)
    config = session.config
    aws = session.aws

    pairs = read_pairs(file)
    # A transform cuts the file anywhere, and only the first piece would have a header.
    body = "".join(f"{pair.as_csv()}\n" for pair in pairs).encode()
    training_job = chosen_training_job(aws, config, job)
    trained = trained_model(aws, config, training_job)
    model = model_name(config, trained)
    search_term = names.search_term(config)
    found = read_attempts(aws, TRANSFORM_JOB, containing=search_term)

    with tempfile.TemporaryDirectory(prefix="halfstar-") as directory:
        path = Path(directory) / "rows.csv"
        path.write_bytes(body)
        rows = TransformInput(path, hashlib.sha256(body).hexdigest())
        planned = plan_transform(config, session.account, model, rows, found, again)
        create_model = plan_model(config, trained, has_model(aws, model))
        if_empty = already_there("transform job", planned)
        if session.perform([*create_model, *planned.actions], if_empty) is None:
            return
    if detach:
        session.emit({"transform_job": planned.name}, planned.name)
        session.hint("the same command without --detach follows it")
        return

    described = follow(session, "transform job", planned)
    outputs = described["TransformOutput"]["S3OutputPath"]
    place = S3Uri.parse(outputs) / f"{rows.file_name}.out"
    answers = aws.get_object(place).decode()

    value = {"transform_job": planned.name, "rows": len(pairs), "output": outputs}
    if output is None:
        session.emit(value, answers.rstrip("\n"))
    else:
        output.write_text(answers)
        session.emit(value, f"{len(pairs):,} rows answered in {output}")
