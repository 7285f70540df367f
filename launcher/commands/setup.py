"""``init`` and ``config``: what a project stands on, and what it is set to."""

from __future__ import annotations

import json

from launcher import names
from launcher.config import describe_settings
from launcher.plans.setup import POLICY_NAME, plan_bucket, plan_repository, plan_role
from launcher.requests import Action, WriteFile
from launcher.session import Session, table
from launcher.world import read_bucket, read_repository, read_role


def init(session: Session) -> None:
    """Configuration file, bucket, role and repository."""
    config, account, aws = session.config, session.account, session.aws
    plan: list[Action] = []
    if not session.path.exists():
        plan.append(
            WriteFile(f"write {session.path}", session.path, _initial_file(session))
        )
    plan += plan_bucket(config, account, read_bucket(aws, config, account))
    plan += plan_role(config, account, read_role(aws, config, POLICY_NAME))
    plan += plan_repository(config, read_repository(aws, config))
    if session.perform(plan, "everything is there") is None:
        return
    made = {
        "bucket": names.bucket(config, account.account),
        "role": read_role(aws, config, POLICY_NAME).arn,
        "repository": read_repository(aws, config).uri,
        "region": account.region,
    }
    session.emit(made, "\n".join(f"{name:10}  {value}" for name, value in made.items()))


def _initial_file(session: Session) -> str:
    """What a project needs to say; everything else has a default, which `launcher
    config` shows.
    """
    config = session.config
    lines = [
        "# Settings of the launcher; `launcher config` shows all of them with their values and sources.",
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
        *(
            f"{name} = {json.dumps(value)}"
            for name, value in config.hyperparameters.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def show_config(session: Session) -> None:
    """Every setting with its value, its source and its meaning."""
    says = {key: text for key, _, text in describe_settings()}
    values = dict(session.config.items())
    rows = [
        (key, _shown(value), session.sources.get(key, "default"), says.get(key, ""))
        for key, value in values.items()
    ]
    session.emit(
        {
            key: {"value": value, "source": session.sources.get(key, "default")}
            for key, value in values.items()
        },
        table(("setting", "value", "source", "meaning"), rows),
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
