"""All that carries our tag, read for ``status`` and ``cleanup``: names, kinds, states
and what each costs an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.plans.jobs import UNDER_WAY
from launcher.plans.setup import POLICY_NAME
from launcher.prices import per_hour
from launcher.world import Account, is_ours, read_bucket, read_repository, read_role

Kind = Literal[
    "training job", "tuning job", "transform job", "endpoint", "endpoint config", "model", "model package",
    "model package group", "bucket", "repository", "role", "log streams",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that is ours.

    Attributes:
        kind: what it is.
        name: its name; an ARN where it has no other.
        state: in its service's words, or what it holds.
        dollars_an_hour: what it costs while it stands, 0 where it is free or a few
            cents a month; None where unknown.
        created: ISO 8601, empty where its service doesn't tell.
        parts: what must go before it, such as a bucket's ``(key, version)`` pairs.
    """

    kind: Kind
    name: str
    state: str = ""
    dollars_an_hour: float | None = 0.0
    created: str = ""
    parts: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def read_inventory(aws: Aws, config: Config, account: Account) -> list[Resource]:
    """Everything of ours, in the order in which it may be deleted."""
    jobs = list(read_jobs(aws, config))
    hosting = [*read_endpoints(aws, config), *_rest_of_sagemaker(aws, config)]
    return [*hosting, *jobs, *_logs(aws, config, jobs), *_storage(aws, config, account)]


def read_jobs(aws: Aws, config: Config) -> Iterator[Resource]:
    """Training, tuning and transform jobs."""
    listed: tuple[tuple[Kind, str, str, str], ...] = (
        (
            "tuning job",
            "ListHyperParameterTuningJobs",
            "HyperParameterTuningJobSummaries",
            "HyperParameterTuningJob",
        ),
        ("training job", "ListTrainingJobs", "TrainingJobSummaries", "TrainingJob"),
        ("transform job", "ListTransformJobs", "TransformJobSummaries", "TransformJob"),
    )
    for kind, operation, member, stem in listed:
        for entry in _ours(aws, config, operation, member, f"{stem}Arn"):
            state = entry[f"{stem}Status"]
            cost = (
                _job_cost(aws, kind, entry[f"{stem}Name"])
                if state in UNDER_WAY
                else 0.0
            )
            yield Resource(kind, entry[f"{stem}Name"], state, cost, _time(entry))


def read_endpoints(aws: Aws, config: Config) -> Iterator[Resource]:
    """Endpoints with what their instances cost."""
    for entry in _ours(aws, config, "ListEndpoints", "Endpoints", "EndpointArn"):
        name = entry["EndpointName"]
        yield Resource(
            "endpoint",
            name,
            entry["EndpointStatus"],
            _endpoint_cost(aws, name),
            _time(entry),
        )


def _rest_of_sagemaker(aws: Aws, config: Config) -> Iterator[Resource]:
    for entry in _ours(
        aws, config, "ListEndpointConfigs", "EndpointConfigs", "EndpointConfigArn"
    ):
        yield Resource(
            "endpoint config", entry["EndpointConfigName"], created=_time(entry)
        )
    for entry in _ours(aws, config, "ListModels", "Models", "ModelArn"):
        yield Resource("model", entry["ModelName"], created=_time(entry))
    groups = _ours(
        aws,
        config,
        "ListModelPackageGroups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroupArn",
    )
    for group in groups:
        name = group["ModelPackageGroupName"]
        packages = aws.pages(
            "sagemaker",
            "ListModelPackages",
            "ModelPackageSummaryList",
            ModelPackageGroupName=name,
        )
        for package in packages:
            yield Resource(
                "model package",
                package["ModelPackageArn"],
                package["ModelPackageStatus"],
                created=_time(package),
            )
        yield Resource("model package group", name, created=_time(group))


def _logs(aws: Aws, config: Config, found: list[Resource]) -> Iterator[Resource]:
    """The streams of our jobs within SageMaker's shared groups, and our endpoints' own
    groups.
    """
    groups = {"training job": "TrainingJobs", "transform job": "TransformJobs"}
    for resource in found:
        if resource.kind in groups:
            group = f"/aws/sagemaker/{groups[resource.kind]}"
            streams = _streams(aws, group, f"{resource.name}/")
            if streams:
                yield Resource(
                    "log streams",
                    group,
                    f"{resource.name}: {len(streams)}",
                    parts=streams,
                )
    # An endpoint's group outlives it, so it is known by its name, unless another's
    # endpoint has that name now.
    endpoint = names.endpoint(config)
    described = aws.read_or_none("sagemaker", "DescribeEndpoint", EndpointName=endpoint)
    if described is None or is_ours(aws, config, described["EndpointArn"]):
        for group_name in _log_groups(aws, f"/aws/sagemaker/Endpoints/{endpoint}"):
            yield Resource("log streams", group_name, "all")


def _streams(aws: Aws, group: str, prefix: str) -> tuple[tuple[str, str], ...]:
    if group not in _log_groups(aws, group):
        return ()
    found = aws.pages(
        "logs",
        "DescribeLogStreams",
        "logStreams",
        logGroupName=group,
        logStreamNamePrefix=prefix,
    )
    return tuple((group, stream["logStreamName"]) for stream in found)


def _log_groups(aws: Aws, prefix: str) -> list[str]:
    found = aws.pages(
        "logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=prefix
    )
    return [group["logGroupName"] for group in found if group["logGroupName"] == prefix]


def _storage(aws: Aws, config: Config, account: Account) -> Iterator[Resource]:
    bucket = read_bucket(aws, config, account)
    if bucket.ownership in ("ours", "unclaimed") and (
        bucket.tagged or not config.bucket
    ):
        name = names.bucket(config, account.account)
        versions = tuple(_versions(aws, name, account))
        yield Resource(
            "bucket", name, f"{len(versions)} objects and versions", parts=versions
        )
    repository = read_repository(aws, config)
    if repository.ownership == "ours":
        name = names.repository(config)
        count = sum(
            1 for _ in aws.pages("ecr", "ListImages", "imageIds", repositoryName=name)
        )
        yield Resource("repository", name, f"{count} images")
    if not config.role and read_role(aws, config, POLICY_NAME).ownership == "ours":
        yield Resource("role", names.role(config))


def _versions(aws: Aws, bucket: str, account: Account) -> Iterator[tuple[str, str]]:
    owned = {"Bucket": bucket, "ExpectedBucketOwner": account.account}
    for member in ("Versions", "DeleteMarkers"):
        for entry in aws.pages("s3", "ListObjectVersions", member, **owned):
            yield entry["Key"], entry["VersionId"]


def _ours(
    aws: Aws, config: Config, operation: str, member: str, arn: str
) -> Iterator[dict[str, Any]]:
    """The entries of a list operation that carry our tag; only those whose names
    contain ours are asked for theirs.
    """
    containing = names.searched(config)
    # An endpoint may have been given a name of its own, and its configurations with it.
    narrowed = (
        {}
        if operation in ("ListEndpoints", "ListEndpointConfigs")
        else {"NameContains": containing}
    )
    for entry in aws.pages("sagemaker", operation, member, **narrowed):
        if is_ours(aws, config, entry[arn]):
            yield entry


def _endpoint_cost(aws: Aws, name: str) -> float | None:
    described = aws.read_or_none("sagemaker", "DescribeEndpoint", EndpointName=name)
    if described is None:  # gone since it was listed
        return 0.0
    config = aws.read_or_none(
        "sagemaker",
        "DescribeEndpointConfig",
        EndpointConfigName=described["EndpointConfigName"],
    )
    costs = [
        # Serverless endpoints cost nothing while nobody asks.
        0.0
        if "ServerlessConfig" in v
        else per_hour(v.get("InstanceType", ""), v.get("InitialInstanceCount", 1))
        for v in (config or {}).get("ProductionVariants", [])
    ]
    return (
        None
        if any(cost is None for cost in costs)
        else sum(cost for cost in costs if cost is not None)
    )


def _job_cost(aws: Aws, kind: Kind, name: str) -> float | None:
    if kind == "training job":
        resources = aws.read("sagemaker", "DescribeTrainingJob", TrainingJobName=name)[
            "ResourceConfig"
        ]
    elif kind == "transform job":
        resources = aws.read(
            "sagemaker", "DescribeTransformJob", TransformJobName=name
        )["TransformResources"]
    else:  # its training jobs are listed by themselves
        return 0.0
    return per_hour(
        resources.get("InstanceType", ""), resources.get("InstanceCount", 1)
    )


def _time(entry: dict[str, Any]) -> str:
    created = entry.get("CreationTime")
    return created.isoformat(timespec="seconds") if created is not None else ""
