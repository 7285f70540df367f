"""Everything that carries our tag, for ``status`` and ``cleanup``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError, InvalidRequestError, LauncherError
from launcher.kinds import (
    ENDPOINT,
    ENDPOINT_CONFIG,
    JOBS,
    MODEL,
    MODEL_PACKAGE,
    MODEL_PACKAGE_GROUP,
    SAGEMAKER_KINDS,
    Kind,
    SageMakerKind,
)
from launcher.logs import log_of
from launcher.world.account import Account
from launcher.world.operation import read_alarms, read_dashboard, read_scaling
from launcher.world.resources import is_ours, read_bucket, read_repository, read_role

_ENDPOINTS: dict[Kind, SageMakerKind] = {"endpoint": ENDPOINT}


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that is ours.

    Attributes:
        kind: what it is.
        name: its name, or its ARN if it has no name.
        state: its state in its service's words, or what it holds.
        created: ISO 8601, empty if its service doesn't say.
        reason: why it failed, empty if it hasn't.
        parts: what must be deleted before it. A bucket has ``(key, version)`` pairs,
            log streams have ``(group, stream)`` pairs.
    """

    kind: Kind
    name: str
    state: str = ""
    created: str = ""
    reason: str = ""
    parts: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def is_under_way(self) -> bool:
        """Whether it is in a state that ends by itself."""
        kind = SAGEMAKER_KINDS.get(self.kind)
        return kind is not None and self.state in kind.under_way

    @property
    def short_name(self) -> str:
        """The name; of an ARN what comes after the kind."""
        is_arn = self.name.startswith("arn:")
        return self.name.partition("/")[2] if is_arn else self.name

    def to_json(self) -> dict[str, str]:
        """For ``--json``, without the parts."""
        described = {
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "created": self.created,
        }
        if self.reason:
            described["reason"] = self.reason
        return described


def read_inventory(aws: Aws, config: Config, account: Account) -> list[Resource]:
    """Everything of ours, in an order in which it can be deleted."""
    jobs = list(read_jobs(aws, config))
    endpoints = list(read_endpoints(aws, config))
    # What an endpoint that is gone has left is known by the configured name.
    endpoint_names = {each.name for each in endpoints} | {names.endpoint(config)}
    return [
        *_operations(aws, config, sorted(endpoint_names)),
        *endpoints,
        *_endpoint_configs(aws, config),
        *_models(aws, config),
        *_packages(aws, config),
        *jobs,
        *_job_logs(aws, jobs),
        *_endpoint_logs(aws, config, sorted(endpoint_names)),
        *_storage(aws, config, account),
    ]


def read_jobs(
    aws: Aws, config: Config, *, trust_names: bool = False
) -> Iterator[Resource]:
    """Training, tuning and transform jobs.

    Args:
        aws: where to look.
        config: whose jobs.
        trust_names: take a job for ours if only we give such a name, without asking for
            its tags. That is enough to show it, but not to delete it.
    """
    for label, kind in JOBS.items():
        for entry in _listed(aws, config, kind, trust_names=trust_names):
            yield _resource(label, kind, entry)


def read_endpoints(aws: Aws, config: Config) -> Iterator[Resource]:
    """Endpoints of any kind."""
    # An endpoint can have been given a name of its own, so the search isn't narrowed.
    for entry in _listed(aws, config, ENDPOINT, narrowed=False):
        yield _resource("endpoint", ENDPOINT, entry)


def _resource(label: Kind, kind: SageMakerKind, entry: dict[str, Any]) -> Resource:
    """A job or an endpoint, from an entry of a list or a description."""
    return Resource(
        label,
        entry[kind.name_member],
        entry[kind.state_member],
        _created(entry),
        reason=entry.get("FailureReason", ""),
    )


def find_job_or_endpoint(aws: Aws, config: Config, name: str) -> Resource:
    """Our job or endpoint of that name.

    Raises:
        LauncherError: there is none.
    """
    for label, kind in {**JOBS, **_ENDPOINTS}.items():
        try:
            described = aws.send_or_none(kind.request("Describe", name))
        except InvalidRequestError:  # nothing of this kind can have that name
            continue
        if described and is_ours(aws, config, described[kind.arn_member]):
            return _resource(label, kind, described)
    raise LauncherError(
        f"none of our jobs and endpoints is named {name}: `launcher status` lists them"
    )


def _endpoint_configs(aws: Aws, config: Config) -> Iterator[Resource]:
    # Their names begin with that of the endpoint.
    for entry in _listed(aws, config, ENDPOINT_CONFIG, narrowed=False):
        name = entry["EndpointConfigName"]
        yield Resource("endpoint config", name, created=_created(entry))


def _models(aws: Aws, config: Config) -> Iterator[Resource]:
    for entry in _listed(aws, config, MODEL):
        yield Resource("model", entry["ModelName"], created=_created(entry))


def _packages(aws: Aws, config: Config) -> Iterator[Resource]:
    """Our model package groups, each after its packages."""
    for group in _listed(aws, config, MODEL_PACKAGE_GROUP):
        name = group["ModelPackageGroupName"]
        for package in packages_of(aws, name):
            arn = package["ModelPackageArn"]
            state = package["ModelPackageStatus"]
            yield Resource("model package", arn, state, _created(package))
        yield Resource("model package group", name, created=_created(group))


def packages_of(aws: Aws, group: str) -> Iterator[dict[str, Any]]:
    """The entries of ListModelPackages for a group."""
    listed = aws.pages(
        "sagemaker",
        MODEL_PACKAGE.list_operation,
        MODEL_PACKAGE.list_member,
        ModelPackageGroupName=group,
    )
    return _while_there(listed)


def _job_logs(aws: Aws, jobs: list[Resource]) -> Iterator[Resource]:
    """The log streams of our jobs, in groups that SageMaker shares among all jobs."""
    for job in jobs:
        if job.kind == "tuning job":  # its training jobs have the streams
            continue
        group, prefix = log_of(job.kind, job.name)
        streams = _streams(aws, group, prefix)
        if streams:
            held = f"{job.name}: {len(streams)}"
            yield Resource("log streams", group, held, parts=streams)


def _operations(aws: Aws, config: Config, endpoints: list[str]) -> Iterator[Resource]:
    """What scales and watches our endpoints."""
    for endpoint in endpoints:
        if _is_foreign(aws, config, endpoint):
            continue
        alarms = read_alarms(aws, config, endpoint)
        scaling = read_scaling(aws, endpoint, alarms)
        if scaling.bounds is not None:
            least, most = scaling.bounds
            yield Resource("scaling", endpoint, f"{least} to {most} instances")
        for name, alarm in alarms.items():
            if alarm.ours:
                yield Resource("alarm", name, alarm.state)
        dashboard = read_dashboard(aws, config, endpoint)
        if dashboard is not None and dashboard.ours:
            yield Resource("dashboard", endpoint)


def _endpoint_logs(
    aws: Aws, config: Config, endpoints: list[str]
) -> Iterator[Resource]:
    """The log groups of our endpoints.

    A group outlives its endpoint and carries no tag, so it is known by its name.
    """
    for endpoint in endpoints:
        if _is_foreign(aws, config, endpoint):
            continue
        group, _ = log_of("endpoint", endpoint)
        if _has_log_group(aws, group):
            yield Resource("log streams", group, "all")


def _is_foreign(aws: Aws, config: Config, endpoint: str) -> bool:
    """Whether somebody else's endpoint has that name now."""
    described = aws.send_or_none(ENDPOINT.request("Describe", endpoint))
    return described is not None and not is_ours(aws, config, described["EndpointArn"])


def _streams(aws: Aws, group: str, prefix: str) -> tuple[tuple[str, str], ...]:
    if not _has_log_group(aws, group):
        return ()
    listed = aws.pages(
        "logs",
        "DescribeLogStreams",
        "logStreams",
        logGroupName=group,
        logStreamNamePrefix=prefix,
    )
    return tuple((group, stream["logStreamName"]) for stream in _while_there(listed))


def _has_log_group(aws: Aws, name: str) -> bool:
    # The service finds all groups whose names begin with this one.
    listed = aws.pages(
        "logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name
    )
    return any(group["logGroupName"] == name for group in listed)


def _storage(aws: Aws, config: Config, account: Account) -> Iterator[Resource]:
    """Bucket, repository and role, unless the user named one that isn't ours."""
    bucket = read_bucket(aws, config, account)
    claimable = bucket.ownership == "unclaimed" and not config.bucket
    if bucket.ownership == "ours" or claimable:
        name = names.bucket(config, account.id)
        versions = tuple(_versions(aws, name, account))
        held = f"{len(versions)} objects and versions"
        yield Resource("bucket", name, held, parts=versions)

    if read_repository(aws, config).ownership == "ours":
        name = names.repository(config)
        images = aws.pages("ecr", "ListImages", "imageIds", repositoryName=name)
        n_images = len(list(_while_there(images)))
        yield Resource("repository", name, f"{n_images} images")

    if not config.role and read_role(aws, config).ownership == "ours":
        yield Resource("role", names.role(config))


def _versions(aws: Aws, bucket: str, account: Account) -> Iterator[tuple[str, str]]:
    """Key and version of everything in a bucket."""
    for member in ("Versions", "DeleteMarkers"):
        owned = account.owned(bucket)
        listed = aws.pages("s3", "ListObjectVersions", member, **owned)
        for entry in _while_there(listed):
            yield entry["Key"], entry["VersionId"]


def _while_there(listed: Iterator[Any]) -> Iterator[Any]:
    """The entries of a list, which ends if what it is about is deleted meanwhile."""
    try:
        yield from listed
    except AwsError as error:
        if not error.is_absent:
            raise


def _listed(
    aws: Aws,
    config: Config,
    kind: SageMakerKind,
    *,
    narrowed: bool = True,
    trust_names: bool = False,
) -> Iterator[dict[str, Any]]:
    """The entries of a list operation that carry our tag.

    Asking for tags takes a call each, so the list is narrowed to names that contain
    ours, if all of ours do.
    """
    search = {"NameContains": names.search_term(config)} if narrowed else {}
    listed = aws.pages("sagemaker", kind.list_operation, kind.list_member, **search)
    for entry in listed:
        trusted = trust_names and names.is_of_work(config, entry[kind.name_member])
        if trusted or is_ours(aws, config, entry[kind.arn_member]):
            yield entry


def _created(entry: dict[str, Any]) -> str:
    created = entry.get("CreationTime")
    return created.isoformat(timespec="seconds") if created is not None else ""
