"""``doctor``: looks at all that the other commands need, and says of each fault how to
mend it.

What `init` makes is looked at with the planners of `init`: a thing is good when they
    have nothing to do to it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from launcher import names
from launcher.docker import run_docker
from launcher.errors import AwsError, LauncherError
from launcher.images import local_image, registry, remote_image
from launcher.local_data import read_local_data
from launcher.plans.setup import POLICY_NAME, plan_bucket, plan_repository, plan_role
from launcher.requests import Action
from launcher.session import Session, fill_in_region, table
from launcher.world import read_bucket, read_repository, read_role

# Without these nothing of AWS can be looked at.
_FIRST = ("region", "credentials")
_INIT = "run `launcher init`"
# AWS marks its own processors with a g behind the generation: m6g, c7gn, g5g, but not
# g4dn.
_ARM_INSTANCE = re.compile(r"ml\.[a-z]+[0-9]+g")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and of a fault how to mend it,
    where ``found`` doesn't say.
    """

    what: str
    good: bool
    found: str
    fix: str = ""

    def to_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "what": self.what,
            "good": self.good,
            "found": self.found,
            "fix": self.fix,
        }


Finding = tuple[bool, str, str]
"""Whether it is good, what was found, and the fix, empty where it is good."""


def doctor(session: Session) -> None:
    """Look at everything.

    Raises:
        LauncherError: if anything is missing.
    """
    checks: list[Check] = []
    for what, look in _looks(session):
        faults = [
            check.what for check in checks if not check.good and check.what in _FIRST
        ]
        if faults:
            checks.append(
                Check(what, False, "not looked at", f"mend {faults[0]} first")
            )
        else:
            checks.append(_check(what, look))
    rows = [
        (
            "ok" if c.good else "MISSING",
            c.what,
            "; ".join(filter(None, (c.found, c.fix))),
        )
        for c in checks
    ]
    session.emit(
        [check.to_json() for check in checks], table(("", "what", "found"), rows)
    )
    if missing := [check.what for check in checks if not check.good]:
        raise LauncherError(f"not ready: {', '.join(missing)}")


def _check(what: str, look: Callable[[], Finding]) -> Check:
    from movielens.errors import HalfstarError

    try:
        return Check(what, *look())
    except (LauncherError, HalfstarError) as error:
        return Check(what, False, str(error))


def _looks(session: Session) -> Iterator[tuple[str, Callable[[], Finding]]]:
    config, aws = session.config, session.aws
    yield "docker", _docker
    yield "image", lambda: _image(names.image(config), config.platform)
    yield (
        "platform",
        lambda: _platform(
            config.platform,
            (config.training_instance_type, config.hosting_instance_type),
        ),
    )
    yield (
        "data",
        lambda: (
            True,
            f"{len(read_local_data(config).files)} files in {config.data}",
            "",
        ),
    )
    yield "region", lambda: _region(session)
    yield "credentials", lambda: (True, session.account.caller, "")

    def bucket() -> Finding:
        plan = plan_bucket(
            session.config,
            session.account,
            read_bucket(aws, session.config, session.account),
        )
        return _planned(names.bucket(session.config, session.account.account), plan)

    def role() -> Finding:
        plan = plan_role(
            session.config, session.account, read_role(aws, session.config, POLICY_NAME)
        )
        return _planned(names.role(session.config), plan)

    def repository() -> Finding:
        return _planned(
            names.repository(config),
            plan_repository(config, read_repository(aws, config)),
        )

    yield "bucket", bucket
    yield "role", role
    yield "repository", repository
    yield "registry", lambda: _registry(session)
    use = "spot training job usage" if config.training_spot else "training job usage"
    needed = config.training_instance_count
    yield (
        "training quota",
        lambda: _quota(session, f"{config.training_instance_type} for {use}", needed),
    )
    if config.hosting_kind != "serverless":
        name = f"{config.hosting_instance_type} for endpoint usage"
        yield (
            "hosting quota",
            lambda: _quota(session, name, config.hosting_instance_count),
        )


def _docker() -> Finding:
    answer = run_docker(
        "version", "--format", "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}"
    )
    if answer.returncode:
        return (
            False,
            " ".join(answer.stderr.split()),
            "start the engine, or join group docker",
        )
    return True, answer.stdout.strip(), ""


def _image(name: str, platform: str) -> Finding:
    image = local_image(name)
    if image is None:
        return False, f"no local image {name}", "run `launcher build`"
    found = f"{name}: {image.platform}, {image.image_id[7:19]}"
    if image.platform != platform:
        return (
            False,
            found,
            f"the configuration says {platform}: run `launcher build`, or set `platform`",
        )
    return True, found, ""


def _platform(platform: str, instance_types: Sequence[str]) -> Finding:
    for instance_type in instance_types:
        if bool(_ARM_INSTANCE.match(instance_type)) != (platform == "linux/arm64"):
            fix = "set `platform`, or another instance type"
            return False, f"{instance_type} doesn't run images for {platform}", fix
    return True, f"{platform} on {', '.join(sorted(set(instance_types)))}", ""


def _region(session: Session) -> Finding:
    session.config = fill_in_region(session.config)
    region, known = session.aws.region, session.aws.regions("sagemaker")
    if region not in known:
        near = difflib.get_close_matches(region, known) or known
        return (
            False,
            f"{region} is no region with SageMaker",
            f"set `region`, to {near[0]} for example",
        )
    return True, region, ""


def _planned(name: str, plan: Sequence[Action]) -> Finding:
    if plan:
        return (
            False,
            f"{name}: to do: {', '.join(action.says for action in plan)}",
            _INIT,
        )
    return True, name, ""


def _registry(session: Session) -> Finding:
    where = registry(session.aws, session.config.registry)
    image = remote_image(where, names.repository(session.config), "latest")
    return (
        True,
        f"{where.host}: {image.digest if image else 'nothing was pushed yet'}",
        "",
    )


def _quota(session: Session, name: str, needed: int) -> Finding:
    """The account's limit of an instance type; a new account's is 0 for many."""
    quotas = session.aws.pages(
        "service-quotas", "ListServiceQuotas", "Quotas", ServiceCode="sagemaker"
    )
    try:
        value = next(
            (quota["Value"] for quota in quotas if quota["QuotaName"] == name), None
        )
    except AwsError as error:  # nothing else needs the quotas, so they may stay unknown
        return True, f"the quota can't be read ({error.code or error})", ""
    if value is None:
        return True, f"no quota named {name!r} is told", ""
    if value < needed:
        return (
            False,
            f"{name}: {value:g}, needed are {needed}",
            "ask for more in the console of Service Quotas",
        )
    return True, f"{name}: {value:g}", ""
