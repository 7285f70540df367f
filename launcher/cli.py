"""The command line: options in, one function of `launcher.commands` called. Nothing heavy is imported before that.

The settings that every command has (``--region``, ``--set`` …) stand before the command; ``--json`` and ``--dry-run``
after it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launcher.config import FILE, Config
from launcher.errors import ConfigError
from launcher.local.cli import app as local

if TYPE_CHECKING:
    from launcher.session import Session

app = typer.Typer(
    name="launcher",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# Its own module is as light as this one.
app.add_typer(local, name="local")


@dataclass
class Run:
    """One run of the command line: what stands before the command, and the session of the command itself."""

    path: Path = FILE
    options: dict[str, object] = field(default_factory=dict)
    poll_seconds: float = 5.0
    debug: bool = False
    session: Session | None = None


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the exact requests as JSON, send none that changes anything.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Start it and leave.")]
Again = Annotated[bool, typer.Option("--again", help="Run once more what has been completed already.")]
Parameters = Annotated[
    list[str], typer.Option("-p", "--hyperparameter", metavar="NAME=VALUE", help="A hyperparameter.")
]
OfJob = Annotated[str | None, typer.Option("--job", metavar="NAME", help="Training job whose model to take (newest).")]


@app.callback()
def settings(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", help="Configuration file.")] = FILE,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting; `launcher config` lists them.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    profile: Annotated[str | None, typer.Option(help="Profile of the AWS configuration files.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="One address for all AWS services.")] = None,
    registry: Annotated[str | None, typer.Option(metavar="HOST", help="Registry in place of ECR's own host.")] = None,
    poll_seconds: Annotated[float, typer.Option(help="Between two looks at a job.", min=0.05)] = 5.0,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
) -> None:
    """Build and push the image, run it on SageMaker, and clean up. Each command is planned before it is performed."""
    named = {"region": region, "profile": profile, "endpoint_url": endpoint_url, "registry": registry}
    options: dict[str, object] = {key: value for key, value in named.items() if value is not None}
    run: Run = context.obj
    run.path, run.options, run.poll_seconds = config, options | _pairs(values or [], "--set"), poll_seconds
    run.debug = debug
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def init(context: typer.Context, json: Json = False, dry_run: DryRun = False) -> None:
    """Write halfstar.toml; create the bucket, the execution role and the ECR repository."""
    from launcher.commands.setup import init as run

    run(_session(context, json, dry_run))


@app.command("config")
def show_config(context: typer.Context, json: Json = False) -> None:
    """Show every setting, its value, and where it comes from."""
    from launcher.commands.setup import show_config as run

    run(_session(context, json, offline=True))


@app.command()
def doctor(context: typer.Context, json: Json = False) -> None:
    """Look at Docker, image, data, region, credentials, bucket, role, repository, registry, quotas; say how to mend."""
    from launcher.commands.doctor import doctor as run

    run(_session(context, json, offline=True))


@app.command()
def data(
    context: typer.Context,
    directory: Annotated[Path | None, typer.Argument(help="Raw MovieLens files (setting: data).")] = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Check raw MovieLens files with the reader that training uses; upload those that changed."""
    from launcher.commands.data import data as run

    run(_session(context, json, dry_run, {"data": str(directory)} if directory else {}))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def build(
    context: typer.Context,
    directory: Annotated[Path, typer.Option("--directory", help="Where the Dockerfile is.")] = Path(),
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Build the image; what isn't ours among the arguments goes to `docker build`, such as --build-arg=..."""
    from launcher.commands.images import build as run

    run(_session(context, json, dry_run, offline=True), directory, tuple(context.args))


@app.command()
def push(
    context: typer.Context,
    image: Annotated[str | None, typer.Argument(help="Local image (setting: name).")] = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Push the image to ECR, verify it there, and print its URI with the digest."""
    from launcher.commands.images import push as run

    run(_session(context, json, dry_run), image)


@app.command()
def train(
    context: typer.Context,
    hyperparameters: Parameters = [],  # noqa: B006 - Typer copies it
    spot: Annotated[bool | None, typer.Option("--spot/--on-demand", help="Managed spot training.")] = None,
    instance_type: Annotated[str | None, typer.Option(help="Such as ml.m5.xlarge.")] = None,
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
    run(_session(context, json, dry_run, _given(given) | _hyperparameters(hyperparameters)), detach, again)


@app.command()
def tune(
    context: typer.Context,
    hyperparameters: Parameters = [],  # noqa: B006 - Typer copies it
    max_jobs: Annotated[int | None, typer.Option(help="Training jobs in all.", min=1)] = None,
    parallel_jobs: Annotated[int | None, typer.Option(help="How many at the same time.", min=1)] = None,
    objective: Annotated[str | None, typer.Option(help="Metric, such as test:rmse.")] = None,
    detach: Detach = False,
    again: Again = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Search hyperparameters; those given with -p are fixed, the other declared ranges are searched."""
    from launcher.commands.jobs import tune as run

    given = {"tuning.max_jobs": max_jobs, "tuning.parallel_jobs": parallel_jobs, "tuning.objective": objective}
    run(_session(context, json, dry_run, _given(given) | _hyperparameters(hyperparameters)), detach, again)


@app.command()
def deploy(
    context: typer.Context,
    job: OfJob = None,
    kind: Annotated[str | None, typer.Option(help="real-time, serverless or async.")] = None,
    instance_type: Annotated[str | None, typer.Option(help="Such as ml.m5.large.")] = None,
    instance_count: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Serve the newest model; update without downtime, and go back to the last good one when that fails."""
    from launcher.commands.hosting import deploy as run

    given = {"hosting.kind": kind, "hosting.instance_type": instance_type, "hosting.instance_count": instance_count}
    run(_session(context, json, dry_run, _given(given)), job)


@app.command()
def predict(
    context: typer.Context,
    pairs: Annotated[list[str] | None, typer.Argument(metavar="USER:MOVIE[:TIMESTAMP]", help="Raw ids.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="CSV of userId,movieId[,timestamp].")] = None,
    json: Json = False,
) -> None:
    """Ask the endpoint for raw ids: `launcher predict 1:318 1:296`."""
    from launcher.commands.asking import predict as run
    from launcher.queries import parse_pairs, read_pairs

    if bool(pairs) == (file is not None):
        raise ConfigError("give pairs of ids, such as 1:318, or --file, one of the two")
    rows = read_pairs(file) if file else parse_pairs(pairs or [])
    run(_session(context, json), rows)


@app.command()
def recommend(
    context: typer.Context,
    user: Annotated[int, typer.Argument(metavar="USER", help="Raw id of a user.")],
    count: Annotated[int, typer.Option("-n", "--count", help="How many movies.", min=1, max=1000)] = 10,
    genre: Annotated[list[str] | None, typer.Option(help="Only of this genre; again for any of several.")] = None,
    year_from: Annotated[int | None, typer.Option(help="Only movies of this year and later.")] = None,
    year_to: Annotated[int | None, typer.Option(help="Only movies of this year and earlier.")] = None,
    min_ratings: Annotated[int | None, typer.Option(help="Only movies with so many ratings in training.")] = None,
    json: Json = False,
) -> None:
    """Ask the endpoint for the movies that a user would like best and hasn't rated: `launcher recommend 1`."""
    from launcher.commands.asking import recommend as run
    from launcher.queries import Wanted

    wanted = Wanted(user, count, tuple(genre or ()), year_from, year_to, min_ratings)
    run(_session(context, json), wanted)


@app.command()
def transform(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV of userId,movieId[,timestamp].")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where the answers go (stdout).")] = None,
    job: OfJob = None,
    detach: Detach = False,
    again: Again = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Answer a CSV of raw ids with a batch transform, in its order."""
    from launcher.commands.jobs import transform as run

    run(_session(context, json, dry_run), file, output, detach, again, job)


@app.command()
def register(
    context: typer.Context,
    job: OfJob = None,
    approve: Annotated[bool, typer.Option("--approve", help="Mark it as approved.")] = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Register the newest model as a model package, its evaluation with it."""
    from launcher.commands.hosting import register as run

    run(_session(context, json, dry_run), job, approve)


@app.command()
def status(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A job or an endpoint (all of ours).")] = None,
    json: Json = False,
) -> None:
    """Show our jobs and endpoints, with what they cost an hour."""
    from launcher.commands.operations import status as run

    run(_session(context, json), name)


@app.command()
def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it has ended.")] = False,
    json: Json = False,
) -> None:
    """Print the log of a job or an endpoint."""
    from launcher.commands.operations import logs as run

    run(_session(context, json), name, follow)


@app.command()
def stop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A job or an endpoint.")],
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Stop a job, or delete an endpoint but not its model."""
    from launcher.commands.operations import stop as run

    run(_session(context, json, dry_run), name)


@app.command()
def cleanup(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """List all that carries our tag and what it costs an hour, then delete it."""
    from launcher.commands.operations import cleanup as run

    run(_session(context, json, dry_run), yes)


def _session(
    context: typer.Context,
    as_json: bool,
    dry_run: bool = False,
    given: dict[str, object] | None = None,
    offline: bool = False,
) -> Session:
    """The command's session, kept for the entry point to name what was being done."""
    from launcher.session import Session, fill_in_region

    run: Run = context.obj
    config, sources = Config.load(run.path, os.environ, {**run.options, **(given or {})})
    if not offline:
        config = fill_in_region(config)
    run.session = Session(config, sources, run.path, as_json, dry_run, run.poll_seconds)
    return run.session


def _given(options: dict[str, Any]) -> dict[str, object]:
    return {key: value for key, value in options.items() if value is not None}


def _hyperparameters(texts: list[str]) -> dict[str, object]:
    return {f"hyperparameters.{name}": value for name, value in _pairs(texts, "-p").items()}


def _pairs(texts: list[str], option: str) -> dict[str, object]:
    faults = [text for text in texts if "=" not in text or text.startswith("=")]
    if faults:
        raise ConfigError(f"{option} {faults[0]!r}: expected NAME=VALUE")
    return {text.partition("=")[0]: text.partition("=")[2] for text in texts}
