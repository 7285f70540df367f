"""``init``: the configuration file, and what a project needs in AWS."""

from __future__ import annotations

import json

import typer

from launcher import names
from launcher.config import Config
from launcher.options import DryRun, Json, start_session
from launcher.plans.setup import plan_bucket, plan_repository, plan_role
from launcher.requests import Action, WriteFile
from launcher.world.resources import read_bucket, read_repository, read_role


def init(
    context: typer.Context, as_json: Json = False, dry_run: DryRun = False
) -> None:
    """Write halfstar.toml; create bucket, role and repository."""
    session = start_session(context, as_json, dry_run, writes_file=True)
    config = session.config
    account = session.account
    aws = session.aws

    plan: list[Action] = []
    if not session.path.exists():
        text = _initial_file(config)
        plan.append(WriteFile(f"write {session.path}", session.path, text))
    plan += plan_bucket(config, account, read_bucket(aws, config, account))
    plan += plan_role(config, account, read_role(aws, config))
    plan += plan_repository(config, read_repository(aws, config))
    if session.perform(plan, "everything is there") is None:
        return

    made = {
        "bucket": names.bucket(config, account.id),
        "role": read_role(aws, config).arn,
        "repository": read_repository(aws, config).uri,
        "region": account.region,
    }
    session.emit(made, "\n".join(f"{name:10}  {value}" for name, value in made.items()))
    session.hint("`launcher data` uploads ratings, `launcher build` makes the image")


def _initial_file(config: Config) -> str:
    """The settings that a project is likely to change. The others have defaults."""
    # A JSON string is a TOML string.
    lines = [
        "# Settings of the launcher; "
        "`launcher config` shows all of them with their values and sources.",
        f"name = {json.dumps(config.name)}",
        f"region = {json.dumps(config.region)}",
        f"data = {json.dumps(config.data)}",
        "",
        "[training]",
        f"instance_type = {json.dumps(config.training_instance_type)}",
        "",
        "[hosting]",
        f"kind = {json.dumps(config.hosting_kind)}",
        f"instance_type = {json.dumps(config.hosting_instance_type)}",
        "",
        "[hyperparameters]",
    ]
    for name, value in config.hyperparameters.items():
        lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
