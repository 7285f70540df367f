"""What commands have in common on the command line: options, and the session that is
made of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launcher.config import FILE, Config
from launcher.errors import ConfigError

if TYPE_CHECKING:
    from launcher.session import Session


@dataclass
class Run:
    """One run of the command line: what stands before the command, and the session of
    the command itself.
    """

    path: Path = FILE
    options: dict[str, object] = field(default_factory=dict)
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
Detach = Annotated[bool, typer.Option("--detach", help="Start it and leave.")]
Again = Annotated[
    bool, typer.Option("--again", help="Run once more what has been completed already.")
]
Parameters = Annotated[
    list[str],
    typer.Option(
        "-p", "--hyperparameter", metavar="NAME=VALUE", help="A hyperparameter."
    ),
]
OfJob = Annotated[
    str | None,
    typer.Option(
        "--job", metavar="NAME", help="Training job whose model to take (newest)."
    ),
]


def session_of(
    context: typer.Context,
    as_json: bool,
    dry_run: bool = False,
    given: dict[str, object] | None = None,
    offline: bool = False,
) -> Session:
    """The command's session, kept for the entry point to name what was being done."""
    from launcher.session import Session, fill_in_region

    run: Run = context.obj
    config, sources = Config.load(
        run.path, os.environ, {**run.options, **(given or {})}
    )
    if not offline:
        config = fill_in_region(config)
    run.session = Session(config, sources, run.path, as_json, dry_run, run.poll_seconds)
    return run.session


def given_of(options: dict[str, Any]) -> dict[str, object]:
    """Those that were given."""
    return {key: value for key, value in options.items() if value is not None}


def hyperparameters_of(texts: list[str]) -> dict[str, object]:
    """Settings of ``-p NAME=VALUE``, as `pairs_of`."""
    return {
        f"hyperparameters.{name}": value
        for name, value in pairs_of(texts, "-p").items()
    }


def pairs_of(texts: list[str], option: str) -> dict[str, object]:
    """Values by name of ``NAME=VALUE``.

    Raises:
        ConfigError: if one isn't that.
    """
    faults = [text for text in texts if "=" not in text or text.startswith("=")]
    if faults:
        raise ConfigError(f"{option} {faults[0]!r}: expected NAME=VALUE")
    return {text.partition("=")[0]: text.partition("=")[2] for text in texts}
