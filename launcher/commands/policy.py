"""``policy``: the IAM policies that the launcher and its jobs need."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from launcher.errors import ConfigError
from launcher.options import Json, start_session
from launcher.policies import boundary_policy, operator_policy, role_policy

# Blanks don't count.
_MANAGED_POLICY_CHARACTERS = 6144


def policy(
    context: typer.Context,
    role: Annotated[
        bool, typer.Option("--role", help="That of the execution role.")
    ] = False,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="A permissions boundary for the role.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the IAM policy that the launcher's user needs. It is made for this
    configuration.
    """
    if role and boundary:
        raise ConfigError("give --role or --boundary, not both")
    session = start_session(context, as_json)
    make = operator_policy
    if role:
        make = role_policy
    if boundary:
        make = boundary_policy
    document = make(session.config, session.account)
    session.emit(document)
    size = len(json.dumps(document, separators=(",", ":")))
    if size > _MANAGED_POLICY_CHARACTERS:
        session.say(
            f"{size:,} characters without blanks, a managed policy holds "
            f"{_MANAGED_POLICY_CHARACTERS:,}: make two of its statements"
        )
