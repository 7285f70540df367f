"""``policy``: the IAM policies that the launcher and its jobs need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from launcher.errors import ConfigError
from launcher.options import Json, start_session
from launcher.policies import (
    MANAGED_POLICY_CHARACTERS,
    Policy,
    boundary_policy,
    managed_policies,
    operator_policy,
    role_policy,
    size_of,
)
from launcher.session import Session
from launcher.tables import text_table


def policy(
    context: typer.Context,
    role: Annotated[
        bool, typer.Option("--role", help="That of the execution role.")
    ] = False,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="A permissions boundary for the role.")
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option(help="Write it here, as files that each fit a managed policy."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the IAM policy that the launcher's user needs. It is made for this
    configuration.
    """
    if role and boundary:
        raise ConfigError("give --role or --boundary, not both")
    session = start_session(context, as_json)
    stem, make = "operator", operator_policy
    if role:
        stem, make = "role", role_policy
    if boundary:
        stem, make = "boundary", boundary_policy
    document = make(session.config, session.account)
    parts = managed_policies(document)
    if directory is not None:
        _write(session, directory, stem, parts)
        return

    session.emit(document)
    if len(parts) > 1:
        session.say(
            f"{size_of(document):,} characters without blanks, a managed policy holds "
            f"{MANAGED_POLICY_CHARACTERS:,}: --directory DIRECTORY writes it as "
            f"{len(parts)} that fit"
        )


def _write(session: Session, directory: Path, stem: str, parts: list[Policy]) -> None:
    """Write a file for each managed policy."""
    directory.mkdir(parents=True, exist_ok=True)
    values: list[dict[str, object]] = []
    rows: list[tuple[str, str, str]] = []
    for number, part in enumerate(parts, start=1):
        name = stem if len(parts) == 1 else f"{stem}-{number}"
        path = directory / f"{name}.json"
        path.write_text(json.dumps(part, indent=2) + "\n")
        statements = [statement["Sid"] for statement in part["Statement"]]
        size = size_of(part)
        values.append({"file": str(path), "characters": size, "statements": statements})
        rows.append((str(path), f"{size:,}", ", ".join(statements)))
    header = ("file", "characters", "statements")
    session.emit({"files": values}, text_table(header, rows, session.width))
    session.hint(
        "`aws iam create-policy --policy-name NAME --policy-document file://FILE` "
        "makes a managed policy of each"
    )
