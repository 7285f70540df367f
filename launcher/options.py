"""Options that several commands have, and the session that a command starts with."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launcher.config import ENVIRONMENT_VARIABLE, FILE, Config
from launcher.errors import ConfigError

if TYPE_CHECKING:
    from launcher.session import Session


class OutputFormat(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


@dataclass
class CommandLine:
    """The options that every command has, and the session of the command.

    Attributes:
        path: the configuration file.
        path_is_given: whether the user has named it.
        environment: whose table of the file counts; None for what HALFSTAR_ENV says.
        options: settings by key.
        as_json: print results as JSON.
        poll_seconds: between two looks at something that is waited for.
        debug: show the trace of an error.
        session: the command's, for the entry point to say what was interrupted.
    """

    path: Path = FILE
    path_is_given: bool = False
    environment: str | None = None
    options: dict[str, object] = field(default_factory=dict)
    as_json: bool = False
    poll_seconds: float = 5.0
    debug: bool = False
    session: Session | None = None


def _take(
    command_line: CommandLine,
    *,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help=f"Configuration file ({FILE})."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting; `launcher config` lists them.",
        ),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option("--env", metavar="NAME", help="[environments.NAME] of the file."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="AWS region.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Profile of the AWS configuration files."),
    ] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="One address for all AWS services."),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Registry to use instead of ECR's own host."),
    ] = None,
    poll_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Time between looks at a job (5).", min=0.05
        ),
    ] = None,
    output_format: Annotated[
        OutputFormat | None,
        typer.Option("-o", "--output", help="How results are printed (text)."),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the trace of an error.")
    ] = False,
) -> None:
    """Add to a command line what was given before or after the command."""
    if config_file is not None:
        command_line.path = config_file
        command_line.path_is_given = True
    given = {
        "region": region,
        "profile": profile,
        "endpoint_url": endpoint_url,
        "registry": registry,
    }
    command_line.options |= given_settings(given)
    command_line.options |= parse_assignments(assignments or [], "--set")
    if environment is not None:
        command_line.environment = environment
    if poll_seconds is not None:
        command_line.poll_seconds = poll_seconds
    if output_format is not None:
        command_line.as_json = output_format is OutputFormat.JSON
    command_line.debug |= debug


@functools.cache
def _common_parameters() -> Mapping[str, inspect.Parameter]:
    return inspect.signature(_take, eval_str=True).parameters


def common_option_names() -> list[str]:
    """The parameters that are options of every command."""
    return [name for name in _common_parameters() if name != "command_line"]


def with_common_options(
    command: Callable[..., None], *, without: Iterable[str] = ()
) -> Callable[..., None]:
    """A command that has the options of every command as well.

    They may stand before the command and after it. After it, they come last in its
    help.

    Args:
        command: its first parameter is the context.
        without: common options whose names mean something else to this command.
    """
    common = dict(_common_parameters())
    for name in ("command_line", *without):
        del common[name]

    @functools.wraps(command)
    def run(context: typer.Context, **values: Any) -> None:
        taken = {name: values.pop(name) for name in common}
        _take(context.obj, **taken)
        command(context, **values)

    # typer reads the options from the signature, which must not have names of types.
    own = inspect.signature(command, eval_str=True)
    parameters = [*own.parameters.values(), *common.values()]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


Yes = Annotated[bool, typer.Option("-y", "--yes", help="Ask nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the exact requests as JSON, send none that changes anything.",
    ),
]
Detach = Annotated[
    bool,
    typer.Option("--detach", "--no-wait", help="Start it, don't wait for its end."),
]
Again = Annotated[
    bool, typer.Option("--again", help="Run work again that is completed already.")
]
Hyperparameters = Annotated[
    list[str] | None,
    typer.Option(
        "-p", "--hyperparameter", metavar="NAME=VALUE", help="A hyperparameter."
    ),
]
EndpointName = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="NAME", help="Setting: hosting.endpoint."),
]
Genre = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GENRE", help="Only movies of this genre; repeat it for any of several."
    ),
]
YearFrom = Annotated[
    int | None,
    typer.Option(metavar="YEAR", help="Only movies of this year and later."),
]
YearTo = Annotated[
    int | None,
    typer.Option(metavar="YEAR", help="Only movies of this year and earlier."),
]
MinRatings = Annotated[
    int | None,
    typer.Option(help="Only movies with at least this many ratings in training."),
]
OfJob = Annotated[
    str | None,
    typer.Option(
        "--job", metavar="NAME", help="Training job whose model to use (newest)."
    ),
]


def start_session(
    context: typer.Context,
    as_json: bool,
    dry_run: bool = False,
    *,
    settings: Mapping[str, object] | None = None,
    needs_region: bool = True,
    writes_file: bool = False,
) -> Session:
    """The session of a command.

    Args:
        context: the command's.
        as_json: print results as JSON.
        dry_run: print plans instead of performing them.
        settings: settings by key that the command's own options give; None for an
            option that wasn't given.
        needs_region: fail if no region is configured.
        writes_file: the command makes the configuration file if there is none.

    Raises:
        ConfigError: the configuration can't be used.
    """
    from launcher.session import Session, fill_in_region

    command_line: CommandLine = context.obj
    path = command_line.path
    if command_line.path_is_given and not writes_file and not path.exists():
        raise ConfigError(
            f"{path} doesn't exist: check --config, or run `launcher init`"
        )
    options = {**command_line.options, **given_settings(settings or {})}
    environment = command_line.environment
    if environment is None:
        environment = os.environ.get(ENVIRONMENT_VARIABLE, "")
    config, sources = Config.load(path, os.environ, options, environment)
    if needs_region:
        config = fill_in_region(config)
    command_line.session = Session(
        config,
        sources,
        path=path,
        as_json=as_json or command_line.as_json,
        dry_run=dry_run,
        poll_seconds=command_line.poll_seconds,
    )
    return command_line.session


def given_settings(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings that aren't None."""
    return {key: value for key, value in settings.items() if value is not None}


def hyperparameter_settings(texts: Iterable[str] | None) -> dict[str, object]:
    """The settings of ``-p NAME=VALUE``.

    Raises:
        ConfigError: a text isn't ``NAME=VALUE``.

    Example:
        >>> hyperparameter_settings(["eta=0.1"])
        {'hyperparameters.eta': '0.1'}
    """
    values = parse_assignments(texts or (), "-p")
    return {f"hyperparameters.{name}": value for name, value in values.items()}


def parse_assignments(texts: Iterable[str], option: str) -> dict[str, object]:
    """Values by name of ``NAME=VALUE``.

    Args:
        texts: as typed.
        option: where they were typed, for the error message.

    Raises:
        ConfigError: a text isn't ``NAME=VALUE``.
    """
    values: dict[str, object] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise ConfigError(f"{option} {text!r}: expected NAME=VALUE")
        values[name] = value
    return values
