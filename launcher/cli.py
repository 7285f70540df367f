"""The command line: options in, one function of `launcher.commands` called. Nothing
heavy is imported before that.

The settings that every command has (``--region``, ``--set`` …) stand before the
command; ``--json`` and ``--dry-run`` after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from launcher.config import FILE
from launcher.errors import ConfigError
from launcher.local.cli import app as local
from launcher.options import (
    Again,
    Detach,
    DryRun,
    Json,
    OfJob,
    Parameters,
    Run,
    given_of,
    hyperparameters_of,
    pairs_of,
    session_of,
)

app = typer.Typer(
    name="launcher",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# Its own module is as light as this one.
app.add_typer(local, name="local")


@app.callback()
def settings(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", help="Configuration file.")
    ] = FILE,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting; `launcher config` lists them.",
        ),
    ] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile of the AWS configuration files.")
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="One address for all AWS services.")
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Registry in place of ECR's own host."),
    ] = None,
    poll_seconds: Annotated[
        float, typer.Option(help="Between two looks at a job.", min=0.05)
    ] = 5.0,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the trace of an error.")
    ] = False,
) -> None:
    """Build and push the image, run it on SageMaker, and clean up. Each command is
    planned before it is performed.
    """
    named = {
        "region": region,
        "profile": profile,
        "endpoint_url": endpoint_url,
        "registry": registry,
    }
    options: dict[str, object] = {
        key: value for key, value in named.items() if value is not None
    }
    run: Run = context.obj
    run.path, run.options, run.poll_seconds = (
        config,
        options | pairs_of(values or [], "--set"),
        poll_seconds,
    )
    run.debug = debug
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def init(context: typer.Context, json: Json = False, dry_run: DryRun = False) -> None:
    """Write halfstar.toml; create the bucket, the execution role and the ECR
    repository.
    """
    from launcher.commands.setup import init as run

    run(session_of(context, json, dry_run))


@app.command("config")
def show_config(context: typer.Context, json: Json = False) -> None:
    """Show every setting, its value, and where it comes from."""
    from launcher.commands.setup import show_config as run

    run(session_of(context, json, offline=True))


@app.command()
def doctor(context: typer.Context, json: Json = False) -> None:
    """Look at Docker, image, data, region, credentials, bucket, role, repository,
    registry, quotas; say how to mend.
    """
    from launcher.commands.doctor import doctor as run

    run(session_of(context, json, offline=True))


@app.command()
def data(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Raw MovieLens files (setting: data).")
    ] = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Check raw MovieLens files with the reader that training uses; upload those that
    changed.
    """
    from launcher.commands.data import data as run

    run(
        session_of(
            context, json, dry_run, {"data": str(directory)} if directory else {}
        )
    )


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def build(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Option("--directory", help="Where the Dockerfile is.")
    ] = Path(),
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Build the image; what isn't ours among the arguments goes to `docker build`, such
    as --build-arg=...
    """
    from launcher.commands.images import build as run

    run(
        session_of(context, json, dry_run, offline=True), directory, tuple(context.args)
    )


@app.command()
def push(
    context: typer.Context,
    image: Annotated[
        str | None, typer.Argument(help="Local image (setting: name).")
    ] = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Push the image to ECR, verify it there, and print its URI with the digest."""
    from launcher.commands.images import push as run

    run(session_of(context, json, dry_run), image)


@app.command()
def train(
    context: typer.Context,
    hyperparameters: Parameters = [],  # noqa: B006 - Typer copies it
    spot: Annotated[
        bool | None, typer.Option("--spot/--on-demand", help="Managed spot training.")
    ] = None,
    instance_type: Annotated[
        str | None, typer.Option(help="Such as ml.m5.xlarge.")
    ] = None,
    instance_count: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    detach: Detach = False,
    again: Again = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Run a training job, follow its log and metrics, end with its evaluation."""
    from launcher.commands.jobs import train as run

    given = {
        "training.spot": spot,
        "training.instance_type": instance_type,
        "training.instance_count": instance_count,
    }
    run(
        session_of(
            context,
            json,
            dry_run,
            given_of(given) | hyperparameters_of(hyperparameters),
        ),
        detach,
        again,
    )


@app.command()
def tune(
    context: typer.Context,
    hyperparameters: Parameters = [],  # noqa: B006 - Typer copies it
    max_jobs: Annotated[
        int | None, typer.Option(help="Training jobs in all.", min=1)
    ] = None,
    parallel_jobs: Annotated[
        int | None, typer.Option(help="How many at the same time.", min=1)
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="Metric, such as test:rmse.")
    ] = None,
    detach: Detach = False,
    again: Again = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Search hyperparameters; those given with -p are fixed, the other declared ranges
    are searched.
    """
    from launcher.commands.jobs import tune as run

    given = {
        "tuning.max_jobs": max_jobs,
        "tuning.parallel_jobs": parallel_jobs,
        "tuning.objective": objective,
    }
    run(
        session_of(
            context,
            json,
            dry_run,
            given_of(given) | hyperparameters_of(hyperparameters),
        ),
        detach,
        again,
    )


@app.command()
def deploy(
    context: typer.Context,
    job: OfJob = None,
    kind: Annotated[
        str | None, typer.Option(help="real-time, serverless or async.")
    ] = None,
    instance_type: Annotated[
        str | None, typer.Option(help="Such as ml.m5.large.")
    ] = None,
    instance_count: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Serve the newest model; update without downtime, and go back to the last good one
    when that fails.
    """
    from launcher.commands.hosting import deploy as run

    given = {
        "hosting.kind": kind,
        "hosting.instance_type": instance_type,
        "hosting.instance_count": instance_count,
    }
    run(session_of(context, json, dry_run, given_of(given)), job)


@app.command()
def predict(
    context: typer.Context,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="USER:MOVIE[:TIMESTAMP]", help="Raw ids."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="CSV of userId,movieId[,timestamp].")
    ] = None,
    json: Json = False,
) -> None:
    """Ask the endpoint for raw ids: `launcher predict 1:318 1:296`."""
    from launcher.commands.asking import predict as run
    from launcher.queries import parse_pairs, read_pairs

    if bool(pairs) == (file is not None):
        raise ConfigError("give pairs of ids, such as 1:318, or --file, one of the two")
    rows = read_pairs(file) if file else parse_pairs(pairs or [])
    run(session_of(context, json), rows)


@app.command()
def recommend(
    context: typer.Context,
    user: Annotated[int, typer.Argument(metavar="USER", help="Raw id of a user.")],
    count: Annotated[
        int, typer.Option("-n", "--count", help="How many movies.", min=1, max=1000)
    ] = 10,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Only of this genre; again for any of several."),
    ] = None,
    year_from: Annotated[
        int | None, typer.Option(help="Only movies of this year and later.")
    ] = None,
    year_to: Annotated[
        int | None, typer.Option(help="Only movies of this year and earlier.")
    ] = None,
    min_ratings: Annotated[
        int | None, typer.Option(help="Only movies with so many ratings in training.")
    ] = None,
    json: Json = False,
) -> None:
    """Ask the endpoint for the movies that a user would like best and hasn't rated:
    `launcher recommend 1`.
    """
    from launcher.commands.asking import recommend as run
    from launcher.queries import Wanted

    wanted = Wanted(user, count, tuple(genre or ()), year_from, year_to, min_ratings)
    run(session_of(context, json), wanted)


@app.command()
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
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Answer a CSV of raw ids with a batch transform, in its order."""
    from launcher.commands.jobs import transform as run

    run(session_of(context, json, dry_run), file, output, detach, again, job)


@app.command()
def register(
    context: typer.Context,
    job: OfJob = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Mark it as approved.")
    ] = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Register the newest model as a model package, its evaluation with it."""
    from launcher.commands.hosting import register as run

    run(session_of(context, json, dry_run), job, approve)


@app.command()
def status(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A job or an endpoint (all of ours).")
    ] = None,
    json: Json = False,
) -> None:
    """Show our jobs and endpoints, with what they cost an hour."""
    from launcher.commands.operations import status as run

    run(session_of(context, json), name)


@app.command()
def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until it has ended.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the log of a job or an endpoint."""
    from launcher.commands.operations import logs as run

    run(session_of(context, json), name, follow)


@app.command()
def stop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Stop a job, or delete an endpoint but not its model."""
    from launcher.commands.operations import stop as run

    run(session_of(context, json, dry_run), name)


@app.command()
def cleanup(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """List all that carries our tag and what it costs an hour, then delete it."""
    from launcher.commands.operations import cleanup as run

    run(session_of(context, json, dry_run), yes)
