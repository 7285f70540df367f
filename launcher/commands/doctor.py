"""``doctor``: looks at all that the other commands need, and says how to mend faults.

What ``init`` makes is checked with the planners of ``init``: a resource is good if they
have nothing to do to it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import typer

from launcher import names
from launcher.config import Config
from launcher.docker import run_docker
from launcher.errors import AwsError, LauncherError
from launcher.images import local_image, registry_access, remote_image
from launcher.instance_types import has_gpu, runs
from launcher.options import Json, start_session
from launcher.plans.protection import network
from launcher.plans.setup import plan_bucket, plan_repository, plan_role
from launcher.policies import keys_of
from launcher.redaction import redacted
from launcher.requests import Action
from launcher.session import Session, fill_in_region
from launcher.tables import text_table
from launcher.world.local_data import read_local_data
from launcher.world.resources import read_bucket, read_repository, read_role

# As much of a digest as docker shows, after "sha256:".
_DIGEST = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found.

    Attributes:
        good: whether it is as it should be.
        found: what it is.
        fix: how to mend a fault, empty if ``found`` says it already.
        looked: whether it could be looked at.
    """

    good: bool
    found: str
    fix: str = ""
    looked: bool = True

    @property
    def verdict(self) -> str:
        """In one word."""
        if not self.looked:
            return "unknown"
        return "ok" if self.good else "MISSING"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        what: its name.
        look: looks at it. An error of ours counts as a fault.
        needs: the checks that must be good before this one can be made.
        if_absent: what to do if it looks for something that isn't there.
    """

    what: str
    look: Callable[[Session], Finding]
    needs: tuple[str, ...] = ()
    if_absent: str = ""

    def run(self, session: Session, faulty: Sequence[str]) -> Finding:
        """Look, unless something that the check needs is among the faulty."""
        from movielens.errors import HalfstarError

        for needed in self.needs:
            if needed in faulty:
                fix = f"mend {needed} first"
                return Finding(False, "not looked at", fix, looked=False)
        try:
            finding = self.look(session)
        except AwsError as error:
            is_absent = error.is_absent or "NotFound" in error.code
            fix = self.if_absent if is_absent else ""
            finding = Finding(False, str(error), fix)
        except (LauncherError, HalfstarError) as error:
            finding = Finding(False, str(error))
        return replace(finding, found=redacted(finding.found))


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Say what is missing, and how to mend it. It looks at Docker, image, data,
    region, credentials, bucket, role, repository, registry and quotas.
    """
    session = start_session(context, as_json, needs_region=False)
    findings: dict[str, Finding] = {}
    unusable: list[str] = []
    for check in _checks(session.config):
        finding = check.run(session, unusable)
        findings[check.what] = finding
        if not finding.good:
            unusable.append(check.what)

    value = [{"what": what, **asdict(each)} for what, each in findings.items()]
    rows: list[tuple[str, str, str]] = []
    for what, each in findings.items():
        said = f"{each.found}; {each.fix}" if each.fix else each.found
        rows.append((each.verdict, what, said))
    session.emit(value, text_table(("", "what", "found"), rows, session.width))
    if unusable:
        missing = [what for what in unusable if findings[what].looked]
        raise LauncherError(f"not ready: {', '.join(missing)}")


def _checks(config: Config) -> list[Check]:
    """The checks in the order in which they are made."""
    in_aws = ("region", "credentials")
    checks = [
        Check("docker", _docker),
        Check("image", _image),
        Check("platform", _platform),
        Check("gpu", _gpu, needs=("image",)),
        Check("data", _data),
        Check("region", _region),
        Check("credentials", _credentials, needs=("region",)),
        Check("bucket", _bucket, needs=in_aws),
        Check("role", _role, needs=in_aws),
        Check("repository", _repository, needs=in_aws),
        Check("registry", _registry, needs=in_aws),
        Check("training quota", _training_quota, needs=in_aws),
    ]
    if config.network_subnets:
        fix = "set `network` to subnets and groups of this region"
        checks.append(Check("network", _network, in_aws, fix))
    if keys_of(config):
        fix = "make the key, or set `keys` to others"
        checks.append(Check("keys", _key_states, in_aws, fix))
    if config.iam_boundary:
        fix = "make it of what `launcher policy --boundary` prints, or set another"
        checks.append(Check("boundary", _boundary, in_aws, fix))
    if config.hosting_kind != "serverless":
        checks.append(Check("hosting quota", _hosting_quota, needs=in_aws))
    return checks


def _docker(_: Session) -> Finding:
    form = "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}"
    answer = run_docker("version", "--format", form)
    if answer.returncode:
        said = " ".join(answer.stderr.split())
        return Finding(False, said, "start the engine, or join group docker")
    return Finding(True, answer.stdout.strip())


def _image(session: Session) -> Finding:
    name = names.image(session.config)
    platform = session.config.platform
    image = local_image(name)
    if image is None:
        return Finding(False, f"no local image {name}", "run `launcher build`")
    found = f"{name}: {image.platform}, {image.short_id}"
    if image.platform != platform:
        fix = (
            f"the configuration says {platform}: "
            "run `launcher build`, or set `platform`"
        )
        return Finding(False, found, fix)
    return Finding(True, found)


def _platform(session: Session) -> Finding:
    """Whether instances and image have the same kind of processor."""
    config = session.config
    instance_types = {config.training_instance_type, config.hosting_instance_type}
    for instance_type in sorted(instance_types):
        if not runs(instance_type, config.platform):
            found = f"{instance_type} doesn't run images for {config.platform}"
            return Finding(False, found, "set `platform`, or another instance type")
    return Finding(True, f"{config.platform} on {', '.join(sorted(instance_types))}")


def _gpu(session: Session) -> Finding:
    """Whether the image can use the GPU of training instances."""
    instance_type = session.config.training_instance_type
    image = local_image(names.image(session.config))
    is_for_gpus = image is not None and image.is_for_gpus
    if not has_gpu(instance_type):
        found = f"{instance_type} has none"
        if is_for_gpus:
            found += ", so the image trains on its CPUs"
        return Finding(True, found)
    if not is_for_gpus:
        found = f"{instance_type} has a GPU, but the image trains on CPUs"
        fix = "run `launcher build`, or set `training.instance_type`"
        return Finding(False, found, fix)
    return Finding(True, f"the image trains on the GPU of {instance_type}")


def _data(session: Session) -> Finding:
    local = read_local_data(session.config)
    return Finding(True, f"{len(local.files)} files in {session.config.data}")


def _region(session: Session) -> Finding:
    session.config = fill_in_region(session.config)
    region = session.aws.region
    known = session.aws.regions("sagemaker")
    if region in known:
        return Finding(True, region)
    nearest = difflib.get_close_matches(region, known) or known
    found = f"{region} is no region with SageMaker"
    return Finding(False, found, f"set `region`, to {nearest[0]} for example")


def _credentials(session: Session) -> Finding:
    return Finding(True, session.account.caller)


def _bucket(session: Session) -> Finding:
    config = session.config
    account = session.account
    state = read_bucket(session.aws, config, account)
    plan = plan_bucket(config, account, state)
    return _finding_of_plan(names.bucket(config, account.id), plan)


def _role(session: Session) -> Finding:
    state = read_role(session.aws, session.config)
    plan = plan_role(session.config, session.account, state)
    return _finding_of_plan(names.role(session.config), plan)


def _repository(session: Session) -> Finding:
    state = read_repository(session.aws, session.config)
    plan = plan_repository(session.config, state)
    return _finding_of_plan(names.repository(session.config), plan)


def _finding_of_plan(name: str, plan: Sequence[Action]) -> Finding:
    if not plan:
        return Finding(True, name)
    # The name is said once.
    to_do = ", ".join(action.says.replace(f" {name}", "") for action in plan)
    return Finding(False, f"{name}: to do: {to_do}", "run `launcher init`")


def _registry(session: Session) -> Finding:
    access = registry_access(session.aws, session.config.registry)
    image = remote_image(access, names.repository(session.config), "latest")
    held = image.digest[:_DIGEST] if image else "nothing was pushed yet"
    return Finding(True, f"{access.host}: {held}")


def _network(session: Session) -> Finding:
    """Whether subnets and security groups exist, in one network."""
    config = session.config
    network(config)
    subnets = session.aws.read(
        "ec2", "DescribeSubnets", SubnetIds=list(config.network_subnets)
    )["Subnets"]
    groups = session.aws.read(
        "ec2", "DescribeSecurityGroups", GroupIds=list(config.network_security_groups)
    )["SecurityGroups"]
    networks = sorted({each["VpcId"] for each in (*subnets, *groups)})
    found = f"{len(subnets)} subnets, {len(groups)} groups of {', '.join(networks)}"
    if len(networks) > 1:
        return Finding(False, found, "set subnets and groups of one network")
    if config.network_isolation:
        found += "; containers reach no network"
    return Finding(True, found)


def _key_states(session: Session) -> Finding:
    """Whether the keys exist and can be used."""
    states: dict[str, str] = {}
    for key in keys_of(session.config):
        answer = session.aws.read("kms", "DescribeKey", KeyId=key)
        states[key] = answer["KeyMetadata"]["KeyState"]
    found = ", ".join(f"{key} {state}" for key, state in states.items())
    is_good = set(states.values()) == {"Enabled"}
    return Finding(is_good, found, "" if is_good else "enable the key, or set another")


def _boundary(session: Session) -> Finding:
    arn = session.config.iam_boundary
    session.aws.read("iam", "GetPolicy", PolicyArn=arn)
    return Finding(True, arn)


def _training_quota(session: Session) -> Finding:
    config = session.config
    kind = "spot training job" if config.training_spot else "training job"
    name = f"{config.training_instance_type} for {kind} usage"
    return _quota(session, name, config.training_instance_count)


def _hosting_quota(session: Session) -> Finding:
    config = session.config
    name = f"{config.hosting_instance_type} for endpoint usage"
    return _quota(session, name, config.hosting_instance_count)


def _quota(session: Session, name: str, needed: int) -> Finding:
    """The account's limit for an instance type; a new account's is often 0."""
    quotas = session.aws.pages(
        "service-quotas", "ListServiceQuotas", "Quotas", ServiceCode="sagemaker"
    )
    try:
        limits = {quota["QuotaName"]: quota["Value"] for quota in quotas}
    except AwsError as error:
        # Nothing else needs the quotas, so they may stay unknown.
        found = f"the quota can't be read ({error.code or error})"
        return Finding(True, found, looked=False)
    if name not in limits:
        found = f"AWS lists no quota named {name!r}"
        return Finding(True, found, looked=False)
    limit = limits[name]
    if limit < needed:
        return Finding(
            False,
            f"{name}: {limit:g}, needed are {needed}",
            "ask for more in the console of Service Quotas",
        )
    return Finding(True, f"{name}: {limit:g}")
