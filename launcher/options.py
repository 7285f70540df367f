"""Options that several commands have, and the session that a command starts with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launcher.config import FILE, Config
from launcher.errors import ConfigError

if TYPE_CHECKING:
    from launcher.session import Session


@dataclass
class CommandLine:
    """The options before the command, and the session of the command.

    Attributes:
        path: the configuration file.
        options: settings by key.
        poll_seconds: between two looks at something that is waited for.
        debug: show the trace of an error.
        session: the command's, for the entry point to say what was interrupted.
    """

    path: Path = FILE
    options: Mapping[str, object] = field(default_factory=dict)
    poll_seconds: float = 5.0
    debug: bool = False
    session: Session | None = None


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the exact requests as JSON, send none that changes anything.",
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Start the job, don't wait for its end.")
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
) -> Session:
    """The session of a command.

    Args:
        context: the command's.
        as_json: print results as JSON.
        dry_run: print plans instead of performing them.
        settings: settings by key that the command's own options give; None for an
            option that wasn't given.
        needs_region: fail if no region is configured.

    Raises:
        ConfigError: the configuration can't be used.
    """
    from launcher.session import Session, fill_in_region

    command_line: CommandLine = context.obj
    options = {**command_line.options, **given_settings(settings or {})}
    config, sources = Config.load(command_line.path, os.environ, options)
    if needs_region:
        config = fill_in_region(config)
    command_line.session = Session(
        config,
        sources,
        path=command_line.path,
        as_json=as_json,
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
