"""``launcher local``: start and end SageMaker on this machine, and see what runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from launcher.options import Json

app = typer.Typer(
    no_args_is_help=True,
    help="SageMaker on this machine: no AWS account, jobs run for real.",
)

DEFAULT_DIRECTORY = Path(".halfstar-local")
Directory = Annotated[
    Path, typer.Option("--directory", help="Where all its files are.")
]


@app.command()
def up(
    directory: Directory = DEFAULT_DIRECTORY,
    port: Annotated[
        int, typer.Option(help="Port of the services; 0 takes a free one.")
    ] = 0,
    registry_port: Annotated[
        int, typer.Option(help="Port of the image registry; 0 takes a free one.")
    ] = 0,
    region: Annotated[
        str, typer.Option(help="The region that it says it is.")
    ] = "us-east-1",
    layers: Annotated[
        Path | None,
        typer.Option(help="Keep pushed layers there, for quicker pushes next time."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start it, and print what to export: ``eval "$(launcher local up)"``."""
    from launcher.local import stack

    settings = stack.up(
        directory, port=port, registry_port=registry_port, region=region, layers=layers
    )
    if as_json:
        typer.echo(json.dumps(settings.environment(), indent=2))
        return
    for name, value in settings.environment().items():
        typer.echo(f"export {name}={value}")


@app.command()
def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """End exactly what was started, and remove its files."""
    from launcher.local import stack

    stack.down(directory)
    typer.echo(f"nothing is left of what was up in {directory}", err=True)


@app.command()
def status(directory: Directory = DEFAULT_DIRECTORY, as_json: Json = False) -> None:
    """Say whether it runs, and where; exits with 1 when it doesn't."""
    from launcher.local import stack
    from launcher.local.settings import Settings

    settings = Settings.load(directory)
    running, containers = stack.is_up(settings), stack.containers(settings)
    if as_json:
        found = {
            "up": running,
            "services": settings.endpoint_url,
            "registry": settings.registry,
        }
        typer.echo(json.dumps({**found, "containers": containers}, indent=2))
    else:
        typer.echo(
            f"{'up' if running else 'not up'}: services {settings.endpoint_url}, registry {settings.registry}"
        )
        for line in containers:
            typer.echo(line)
    raise typer.Exit(not running)


@app.command()
def interrupt(job: str, directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Take the capacity away from a managed spot training job, as AWS may at any
    moment.
    """
    from launcher.local import stack
    from launcher.local.settings import Settings

    stack.interrupt(Settings.load(directory), job)
    typer.echo(f"{job} is interrupted")
