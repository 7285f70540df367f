"""What ``launcher init`` makes, as it is now: bucket, execution role, repository."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError, LauncherError
from launcher.plans.protection import encryption_key
from launcher.world.account import Account
from movielens.json_text import parse_json

Ownership = Literal["absent", "ours", "unclaimed", "foreign"]
"""``ours`` carries our tag. ``unclaimed`` is a bucket in our account that is empty and
has no tags: one whose ``init`` was cut short. Anything else is ``foreign``.
"""

# What S3 answers about a bucket that we may not look at: it belongs to another account,
# or is in another region.
_CLOSED_BUCKET_CODES = ("403", "301", "AccessDenied", "PermanentRedirect")


@dataclass(frozen=True, slots=True)
class BucketState:
    """The bucket, and which of its properties are as they should be.

    ``region`` is empty if the bucket doesn't let us look. ``key`` is the KMS key that
    encrypts it, empty for S3's own, None without encryption.
    """

    ownership: Ownership
    region: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    private: bool = False
    key: str | None = None
    versioned: bool = False
    has_lifecycle: bool = False


@dataclass(frozen=True, slots=True)
class RoleState:
    """The execution role, its trust policy, and the inline policy that we gave it."""

    ownership: Ownership
    arn: str = ""
    trust: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None
    boundary: str = ""
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """The ECR repository, whether it scans what is pushed, and its lifecycle policy."""

    ownership: Ownership
    uri: str = ""
    scans: bool = False
    lifecycle: Mapping[str, Any] | None = None
    arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def read_bucket(aws: Aws, config: Config, account: Account) -> BucketState:
    """The bucket; one of another account is foreign, whether or not we may look."""
    owned = account.owned(names.bucket(config, account.id))
    try:
        aws.read("s3", "HeadBucket", **owned)
    except AwsError as error:
        if error.is_absent:
            return BucketState("absent")
        if error.code in _CLOSED_BUCKET_CODES:
            return BucketState("foreign")
        raise
    try:
        return _read_properties(aws, config, owned)
    except AwsError as error:
        # Somebody else's `cleanup` may have deleted it since.
        if error.is_absent:
            return BucketState("absent")
        raise


def _read_properties(aws: Aws, config: Config, owned: Mapping[str, str]) -> BucketState:
    """The properties of a bucket that lets us look."""
    tags = (aws.read_or_none("s3", "GetBucketTagging", **owned) or {}).get("TagSet", [])
    versions = aws.read("s3", "ListObjectVersions", **owned, MaxKeys=1)
    is_empty = not versions.keys() & {"Versions", "DeleteMarkers"}
    ownership: Ownership = "foreign"
    if _has_our_tag(config, tags):
        ownership = "ours"
    elif is_empty and not tags:
        ownership = "unclaimed"

    block = aws.read_or_none("s3", "GetPublicAccessBlock", **owned) or {}
    blocked = block.get("PublicAccessBlockConfiguration", {})
    encryption = aws.read_or_none("s3", "GetBucketEncryption", **owned)
    versioning = aws.read("s3", "GetBucketVersioning", **owned)
    lifecycle = aws.read_or_none("s3", "GetBucketLifecycleConfiguration", **owned)
    # S3 gives no location for us-east-1.
    location = aws.read("s3", "GetBucketLocation", **owned).get("LocationConstraint")
    return BucketState(
        ownership,
        region=str(location or "us-east-1"),
        tags=_by_key(tags),
        private=len(blocked) == 4 and all(blocked.values()),
        key=encryption_key(encryption),
        versioned=versioning.get("Status") == "Enabled",
        has_lifecycle=lifecycle is not None,
    )


def read_role(aws: Aws, config: Config) -> RoleState:
    """The execution role with the inline policy that we gave it."""
    name = names.role(config)
    answer = aws.read_or_none("iam", "GetRole", RoleName=name)
    if answer is None:
        return RoleState("absent")

    role = answer["Role"]
    tags = list(aws.pages("iam", "ListRoleTags", "Tags", RoleName=name))
    policy = aws.read_or_none(
        "iam", "GetRolePolicy", RoleName=name, PolicyName=names.ROLE_POLICY
    )
    return RoleState(
        "ours" if _has_our_tag(config, tags) else "foreign",
        role["Arn"],
        trust=_document(role["AssumeRolePolicyDocument"]),
        policy=_document(policy["PolicyDocument"]) if policy else None,
        boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        path=role.get("Path", "/"),
        tags=_by_key(tags),
    )


def role_arn(aws: Aws, config: Config) -> str:
    """The execution role's ARN.

    Raises:
        LauncherError: the role doesn't exist.
    """
    if config.role.startswith("arn:"):
        return config.role
    role = read_role(aws, config)
    if role.ownership == "absent" and config.role:
        raise LauncherError(missing_role(config))
    if role.ownership == "absent":
        raise LauncherError(
            f"role {names.role(config)} doesn't exist: "
            "run `launcher init`, or set `role`"
        )
    return role.arn


def missing_role(config: Config) -> str:
    """What is said of a role that the user named and that doesn't exist."""
    return (
        f"role {config.role} doesn't exist: create it, "
        "or mend or remove `role` in the configuration"
    )


def read_repository(aws: Aws, config: Config) -> RepositoryState:
    """The ECR repository with its lifecycle policy."""
    name = names.repository(config)
    answer = aws.read_or_none("ecr", "DescribeRepositories", repositoryNames=[name])
    if answer is None:
        return RepositoryState("absent")

    facts = answer["repositories"][0]
    arn = facts["repositoryArn"]
    tags = aws.read("ecr", "ListTagsForResource", resourceArn=arn).get("tags", [])
    scanning = facts.get("imageScanningConfiguration", {})
    lifecycle = aws.read_or_none("ecr", "GetLifecyclePolicy", repositoryName=name)
    return RepositoryState(
        "ours" if _has_our_tag(config, tags) else "foreign",
        facts["repositoryUri"],
        scans=scanning.get("scanOnPush", False),
        lifecycle=parse_json(lifecycle["lifecyclePolicyText"]) if lifecycle else None,
        arn=arn,
        tags=_by_key(tags),
    )


def is_ours(aws: Aws, config: Config, arn: str) -> bool:
    """Whether a SageMaker resource carries our tag; one that is gone doesn't."""
    ours = (names.TAG_KEY, config.name)
    return ours in tags_of(aws, arn).items()


def tags_of(aws: Aws, arn: str) -> dict[str, str]:
    """The tags of a SageMaker resource; none if it is gone."""
    try:
        return _by_key(aws.pages("sagemaker", "ListTags", "Tags", ResourceArn=arn))
    except AwsError as error:
        if error.is_absent:
            return {}
        raise


def _has_our_tag(config: Config, tags: Iterable[Mapping[str, str]]) -> bool:
    ours = (names.TAG_KEY, config.name)
    return any((tag["Key"], tag["Value"]) == ours for tag in tags)


def _by_key(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _document(policy: Any) -> Mapping[str, Any]:
    """A policy as botocore gives it: decoded already, or as URL-encoded JSON."""
    if isinstance(policy, dict):
        return policy
    return dict(parse_json(urllib.parse.unquote(policy)))
