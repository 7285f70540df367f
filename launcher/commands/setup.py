"""``init``, ``config`` and ``doctor``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher import names
from launcher.config import describe_settings
from launcher.errors import AwsError, LauncherError
from launcher.images import local_image, run_docker
from launcher.plans.setup import POLICY_NAME, plan_bucket, plan_repository, plan_role
from launcher.requests import Action, WriteFile
from launcher.session import Session, table
from launcher.state import local_files
from launcher.world import read_bucket, read_repository, read_role


def init(session: Session) -> None:
    """Configuration file, bucket, role and repository."""
    config, account, aws = session.config, session.account, session.aws
    plan: list[Action] = []
    if not session.path.exists():
        plan.append(WriteFile(f"write {session.path}", session.path, _initial_file(session)))
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
    """What a project needs to say; everything else has a default, which `launcher config` shows."""
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
        *(f"{name} = {json.dumps(value)}" for name, value in config.hyperparameters.items()),
    ]
    return "\n".join(lines) + "\n"


def show_config(session: Session) -> None:
    """Every setting with its value, its source and its meaning."""
    says = {key: text for key, _, text in describe_settings()}
    values = dict(session.config.items())
    rows = [
        (key, _shown(value), session.sources.get(key, "default"), says.get(key, "")) for key, value in values.items()
    ]
    session.emit(
        {key: {"value": value, "source": session.sources.get(key, "default")} for key, value in values.items()},
        table(("setting", "value", "source", "meaning"), rows),
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `doctor` looked at: what it found, or what is wrong and how to mend it."""

    what: str
    good: bool
    found: str
    fix: str = ""


def doctor(session: Session) -> None:
    """Look at everything that the other commands need.

    Raises:
        LauncherError: if anything is missing.
    """
    checks = [_check(what, look) for what, look in _looks(session)]
    rows = [("ok" if c.good else "MISSING", c.what, c.found if c.good else f"{c.found}; {c.fix}") for c in checks]
    session.emit([_check_json(c) for c in checks], table(("", "what", "found"), rows))
    missing = [c.what for c in checks if not c.good]
    if missing:
        raise LauncherError(f"not ready: {', '.join(missing)}")


def _check_json(check: Check) -> dict[str, object]:
    return {"what": check.what, "good": check.good, "found": check.found, "fix": check.fix}


def _check(what: str, look: Callable[[], tuple[bool, str, str]]) -> Check:
    from movielens.errors import HalfstarError

    try:
        good, found, fix = look()
    except (LauncherError, HalfstarError) as error:
        return Check(what, False, str(error), "mend this first")
    return Check(what, good, found, fix)


def _looks(session: Session) -> Iterator[tuple[str, Callable[[], tuple[bool, str, str]]]]:
    config, aws = session.config, session.aws
    yield "docker", _docker
    yield "image", lambda: _image(config.name, config.platform)
    yield "data", lambda: (True, f"{len(local_files(Path(config.data)))} files in {config.data}", "")
    yield "credentials", lambda: (True, session.account.caller, "")
    yield "region", lambda: (True, aws.region, "")

    def bucket() -> tuple[bool, str, str]:
        state = read_bucket(aws, config, session.account)
        name = names.bucket(config, session.account.account)
        return state.ownership != "absent", f"{name}: {state.ownership}", "run `launcher init`"

    def role() -> tuple[bool, str, str]:
        state = read_role(aws, config, POLICY_NAME)
        return state.ownership != "absent", f"{names.role(config)}: {state.ownership}", "run `launcher init`"

    def repository() -> tuple[bool, str, str]:
        state = read_repository(aws, config)
        return state.ownership != "absent", f"{names.repository(config)}: {state.ownership}", "run `launcher init`"

    yield "bucket", bucket
    yield "role", role
    yield "repository", repository
    use = "spot training job usage" if config.training_spot else "training job usage"
    yield "training quota", lambda: _quota(session, f"{config.training_instance_type} for {use}")
    if config.hosting_kind != "serverless":
        yield "hosting quota", lambda: _quota(session, f"{config.hosting_instance_type} for endpoint usage")


def _docker() -> tuple[bool, str, str]:
    if shutil.which("docker") is None:
        return False, "no docker command", "install Docker (on Debian: apt-get install docker.io)"
    try:
        answer = run_docker("version", "--format", "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}")
    except subprocess.SubprocessError as error:
        return False, str(error), "start the engine"
    return not answer.returncode, (answer.stdout or answer.stderr).strip(), "start the engine, or join group docker"


def _image(name: str, platform: str) -> tuple[bool, str, str]:
    image = local_image(name)
    if image is None:
        return False, f"no local image {name}", "run `launcher build`"
    fix = f"the configuration says {platform}: run `launcher build`, or set `platform`"
    return image.platform == platform, f"{name}: {image.platform}, {image.image_id[7:19]}", fix


def _quota(session: Session, name: str) -> tuple[bool, str, str]:
    """The account's limit of an instance type; a new account's is 0 for many."""
    quotas = session.aws.pages("service-quotas", "ListServiceQuotas", "Quotas", ServiceCode="sagemaker")
    try:
        value = next((quota["Value"] for quota in quotas if quota["QuotaName"] == name), None)
    except AwsError as error:  # nothing else needs the quotas, so they may stay unknown
        return True, f"the quota can't be read ({error.code or error})", ""
    if value is None:
        return True, f"no quota named {name!r} is told", ""
    return value >= 1, f"{name}: {value:g}", "ask for more in the console of Service Quotas"
