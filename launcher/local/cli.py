"""``launcher local``: start and end SageMaker on this machine, and see what runs."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from launcher.local.settings import StackSettings, no_proxy
from launcher.ports import free_port

app = typer.Typer(
    no_args_is_help=True,
    help="SageMaker on this machine: no AWS account, jobs run for real.",
)

DEFAULT_DIRECTORY = Path(".halfstar-local")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
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
        str, typer.Option(help="The AWS region that it claims to be in.")
    ] = "us-east-1",
    layers: Annotated[
        Path | None,
        typer.Option(help="Keep pushed layers there, for quicker pushes next time."),
    ] = None,
    iam: Annotated[
        bool, typer.Option("--iam", help="Let policies decide, for keys of IAM users.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start it, and print what to export: ``eval "$(launcher local up)"``."""
    from launcher.local import stack

    wanted = StackSettings(
        directory.resolve(),
        region,
        enforces_iam=iam,
        layers=layers and layers.resolve(),
        port=port or free_port(),
        registry_port=registry_port or free_port(),
    )
    settings = stack.up(wanted)
    environment = {**settings.environment(), **no_proxy(os.environ)}
    if as_json:
        typer.echo(json.dumps(environment, indent=2))
        return
    for name, value in environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """End exactly what was started, and remove its files."""
    from launcher.local import stack

    stack.down(directory)
    typer.echo(f"nothing is left of what was up in {directory}", err=True)


@app.command()
def status(directory: Directory = DEFAULT_DIRECTORY, as_json: Json = False) -> None:
    """Say whether it runs, and where; exits with 1 if it doesn't."""
    from launcher.local import stack
    from launcher.local.engine import DockerEngine

    settings = StackSettings.load(directory)
    found: dict[str, Any] = {
        "up": stack.is_up(settings),
        "services": settings.endpoint_url,
        "registry": settings.registry,
        "containers": DockerEngine(settings).containers(),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        state = "up" if found["up"] else "not up"
        typer.echo(
            f"{state}: services {found['services']}, registry {found['registry']}"
        )
        for line in found["containers"]:
            typer.echo(line)
    raise typer.Exit(not found["up"])


@app.command()
def interrupt(
    job: Annotated[str, typer.Argument(help="A training job of managed spot.")],
    directory: Directory = DEFAULT_DIRECTORY,
) -> None:
    """Take the capacity away from a managed spot training job, as AWS may at any
    moment.
    """
    from launcher.local import stack

    stack.interrupt(StackSettings.load(directory), job)
    typer.echo(f"{job} is interrupted")
