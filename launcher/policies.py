"""IAM policies: what whoever runs the launcher needs, what jobs and endpoints need, and
what they may have at most.

The operator's policy has a statement for each target of the table in
`launcher.permissions`. That of the role is what SageMaker does in its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.permissions import DOCKER, TABLE, Permission, Target
from launcher.world.account import Account

Policy = dict[str, Any]

# What IAM takes as one managed policy. It doesn't count blanks between the words.
MANAGED_POLICY_CHARACTERS = 6144

# The prefixes of the bucket that jobs and endpoints use, and what they do there.
_READ = ("data", "jobs", "checkpoints", "transform", "async")
_WRITTEN = ("jobs", "checkpoints", "transform", "async", "capture")
_DELETED = ("checkpoints",)

# Making or changing a role that has no boundary would go around it.
_BOUND = ("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")
_LOOKS_AT_ROLE = ("iam:GetRole", "iam:GetRolePolicy", "iam:ListRoleTags")


def operator_policy(config: Config, account: Account) -> Policy:
    """What whoever runs the launcher needs for all of its commands.

    Example::

        operator_policy(Config(), account)["Statement"][0]["Sid"]
    """
    by_target: dict[Target, set[str]] = {target: set() for target in Target}
    for needed in (*TABLE.values(), DOCKER):
        for permission in needed:
            if _is_needed(config, permission):
                by_target[permission.target].add(permission.action)

    places = _Places(config, account)
    statements: list[dict[str, Any]] = []
    for target, actions in by_target.items():
        if target is Target.ROLE:
            statements += _on_role(config, places, actions)
        elif target is Target.KEYS:
            statements += _on_keys(config, account, actions)
        elif actions:
            resources = places.of(target)
            statements.append(_allow(target, resources, actions))
    for statement in statements:
        if statement["Sid"] == Target.PASS_ROLE:
            service = {"iam:PassedToService": "sagemaker.amazonaws.com"}
            statement["Condition"] = {"StringEquals": service}
    return _policy(statements)


def role_policy(config: Config, account: Account) -> Policy:
    """What jobs and endpoints need: our bucket by prefix, our image, logs, metrics."""
    places = _Places(config, account)
    return _role_policy(config, account, places.bucket, places.repositories)


def boundary_policy(config: Config, account: Account) -> Policy:
    """The most that an execution role may do in any environment of a project.

    It is the role's policy for all buckets and repositories whose names begin with the
    project's.
    """
    beginning = names.search_term(config).lower()
    places = _Places(config, account)
    bucket = f"{places.aws}:s3:::{beginning}*"
    repository = f"{places.aws}:ecr:{places.here}:repository/{beginning}*"
    repositories = sorted({repository, *places.repositories})
    return _role_policy(config, account, bucket, repositories)


def managed_policies(policy: Policy) -> list[Policy]:
    """A policy as managed policies, which together allow the same.

    Each holds whole statements, in their order, and no more than IAM takes.
    """
    parts = [_policy([])]
    for statement in policy["Statement"]:
        longer = _policy([*parts[-1]["Statement"], statement])
        if parts[-1]["Statement"] and size_of(longer) > MANAGED_POLICY_CHARACTERS:
            longer = _policy([statement])
            parts.append(longer)
        parts[-1] = longer
    return parts


def size_of(policy: Policy) -> int:
    """The number of characters that IAM counts.

    Example:
        >>> size_of({"Version": "2012-10-17", "Statement": []})
        39
    """
    return len(json.dumps(policy, separators=(",", ":")))


class _Places:
    """The ARNs of what a project has, as patterns."""

    def __init__(self, config: Config, account: Account) -> None:
        self._config = config
        self.aws = f"arn:{account.partition}"
        self.here = f"{account.region}:{account.id}"
        self._account_id = account.id
        self.bucket = f"{self.aws}:s3:::{names.bucket(config, account.id)}"
        self.repositories = self._repositories()

    def of(self, target: Target) -> list[str]:
        """The resources of a statement of the operator's policy."""
        endpoint = names.endpoint(self._config)
        match target:
            case Target.ANYTHING | Target.NETWORK:
                return ["*"]
            case Target.BUCKET:
                return [self.bucket]
            case Target.OBJECTS:
                return [f"{self.bucket}/*"]
            case Target.ROLE | Target.PASS_ROLE:
                return [self.role]
            case Target.BOUNDARY:
                return [self._config.iam_boundary]
            case Target.REPOSITORY:
                return self.repositories
            case Target.JOBS:
                kinds = ("training-job", "hyper-parameter-tuning-job", "transform-job")
                return self._sagemaker(*kinds)
            case Target.MODELS:
                return self._sagemaker("model")
            case Target.ENDPOINTS:
                return self._sagemaker("endpoint", "endpoint-config", name=endpoint)
            case Target.PACKAGES:
                return self._sagemaker("model-package", "model-package-group")
            case Target.LOGS:
                return [f"{self.aws}:logs:{self.here}:log-group:/aws/sagemaker/*"]
            case Target.SCALING:
                return self._scaling()
            case Target.ALARMS:
                alarms = f"{self.aws}:cloudwatch:{self.here}:alarm"
                made_by_scaling = f"{alarms}:TargetTracking-endpoint/{endpoint}*"
                dashboards = f"{self.aws}:cloudwatch::{self._account_id}:dashboard"
                return [
                    f"{alarms}:{endpoint}*",
                    made_by_scaling,
                    f"{dashboards}/{endpoint}*",
                ]
            case Target.KEYS:
                raise ValueError("keys have statements of their own")

    @property
    def role(self) -> str:
        """The execution role."""
        if self._config.role.startswith("arn:"):
            return self._config.role
        path = self._config.iam_path
        name = names.role(self._config)
        return f"{self.aws}:iam::{self._account_id}:role{path}{name}"

    def _repositories(self) -> list[str]:
        """Our repository, and that of a configured image, which may be elsewhere."""
        name = names.repository(self._config)
        ours = f"{self.aws}:ecr:{self.here}:repository/{name}"
        return sorted({ours, *_repository_of(self.aws, self._config.image)})

    def _sagemaker(self, *kinds: str, name: str = "") -> list[str]:
        """Our resources of some kinds. SageMaker's ARNs have small letters."""
        beginnings = {name, names.search_term(self._config)} - {""}
        spelled = {each.lower() for each in beginnings} | beginnings
        return [
            f"{self.aws}:sagemaker:{self.here}:{kind}/{beginning}*"
            for kind in kinds
            for beginning in _shortest(spelled)
        ]

    def _scaling(self) -> list[str]:
        service = "sagemaker.application-autoscaling.amazonaws.com"
        own_role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        return [
            f"{self.aws}:application-autoscaling:{self.here}:scalable-target/*",
            f"{self.aws}:iam::{self._account_id}:role/aws-service-role/{service}/{own_role}",
        ]


def _shortest(beginnings: Iterable[str]) -> list[str]:
    """The beginnings that no other one covers."""
    kept: list[str] = []
    for beginning in sorted(beginnings):
        if not kept or not beginning.startswith(kept[-1]):
            kept.append(beginning)
    return kept


def _is_needed(config: Config, permission: Permission) -> bool:
    """Whether the configuration makes the launcher send what needs it."""
    match permission.target:
        case Target.NETWORK:
            return bool(config.network_subnets)
        case Target.KEYS:
            return bool(keys_of(config))
        case Target.BOUNDARY:
            return bool(config.iam_boundary)
        case Target.ROLE if config.role:
            return permission.action in _LOOKS_AT_ROLE
        case _:
            return permission.action != _BOUND[1] or bool(config.iam_boundary)


def _on_role(
    config: Config, places: _Places, actions: set[str]
) -> list[dict[str, Any]]:
    resources = places.of(Target.ROLE)
    if not config.iam_boundary or config.role:
        return [_allow(Target.ROLE, resources, actions)]
    bound = _allow("RoleWithBoundary", resources, _BOUND)
    boundary = {"iam:PermissionsBoundary": config.iam_boundary}
    bound["Condition"] = {"StringEquals": boundary}
    return [_allow(Target.ROLE, resources, actions - {*_BOUND}), bound]


def _on_keys(
    config: Config, account: Account, actions: Iterable[str]
) -> list[dict[str, Any]]:
    """Statements for keys by ARN, and for those that have an alias."""
    statements: list[dict[str, Any]] = []
    all_keys = f"arn:{account.partition}:kms:{account.region}:{account.id}:key/"
    aliases = [key for key in keys_of(config) if key.startswith("alias/")]
    ids = [key for key in keys_of(config) if key not in aliases]
    arns = [key if key.startswith("arn:") else all_keys + key for key in ids]
    if arns:
        statements.append(_allow(Target.KEYS, arns, actions))
    if aliases:
        statement = _allow("KeysByAlias", [f"{all_keys}*"], actions)
        named = {"kms:ResourceAliases": aliases}
        statement["Condition"] = {"ForAnyValue:StringEquals": named}
        statements.append(statement)
    return statements


def keys_of(config: Config) -> list[str]:
    """The configured KMS keys, each once."""
    keys = {
        config.keys_bucket,
        config.keys_output,
        config.keys_volume,
        config.keys_endpoint,
    }
    return sorted(keys - {""})


def _repository_of(aws: str, image: str) -> list[str]:
    """The ARN of an image's repository in ECR, of whatever account; or nothing."""
    host, _, path = image.partition("/")
    parts = host.split(".")
    if parts[1:3] != ["dkr", "ecr"]:
        return []
    account_id, region = parts[0], parts[3]
    name = path.partition("@")[0].partition(":")[0]
    return [f"{aws}:ecr:{region}:{account_id}:repository/{name}"]


def _role_policy(
    config: Config, account: Account, bucket: str, repositories: list[str]
) -> Policy:
    def below(prefixes: tuple[str, ...]) -> list[str]:
        return [f"{bucket}/{prefix}/*" for prefix in prefixes]

    places = _Places(config, account)
    statements = [
        _allow("Bucket", [bucket], ("s3:GetBucketLocation", "s3:ListBucket")),
        _allow("Read", below(_READ), ("s3:GetObject",)),
        _allow("Write", below(_WRITTEN), ("s3:AbortMultipartUpload", "s3:PutObject")),
        _allow("Delete", below(_DELETED), ("s3:DeleteObject",)),
        _allow("RegistryLogin", ["*"], ("ecr:GetAuthorizationToken",)),
        _allow(
            "Image",
            repositories,
            (
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ),
        ),
        _allow(
            "Logs",
            places.of(Target.LOGS),
            (
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ),
        ),
    ]
    # Metrics have no ARN, so a condition narrows this one.
    namespaces = ["/aws/sagemaker/*", "AWS/SageMaker", "aws/sagemaker/*"]
    metrics = _allow("Metrics", ["*"], ("cloudwatch:PutMetricData",))
    metrics["Condition"] = {"StringLike": {"cloudwatch:namespace": namespaces}}
    statements.append(metrics)
    if config.network_subnets:
        statements.append(_allow("Network", ["*"], _NETWORK_INTERFACES))
    if keys_of(config):
        statements += _on_keys(config, account, _KEY_USES)
    return _policy(statements)


# SageMaker gives each instance an interface in the subnets.
_NETWORK_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
_KEY_USES = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
)


def _allow(sid: str, resources: list[str], actions: Iterable[str]) -> dict[str, Any]:
    return {
        "Sid": str(sid),
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": resources[0] if len(resources) == 1 else resources,
    }


def _policy(statements: list[dict[str, Any]]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}
