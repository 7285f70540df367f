"""The state of the world that planners look at: read from AWS, never changed here, and
compared by tests as data.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import AwsError

Ownership = Literal["absent", "ours", "unclaimed", "foreign"]
"""``unclaimed``: in our account, without tags and empty, as a bucket is whose `init`
was cut short.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose credentials these are, and where they work."""

    account: str
    partition: str
    region: str
    caller: str

    @property
    def ecr_host(self) -> str:
        """ECR's host of this account."""
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        return f"{self.account}.dkr.ecr.{self.region}.{suffix}"


@dataclass(frozen=True, slots=True)
class BucketState:
    """The bucket and which of its properties are as they should be."""

    ownership: Ownership
    region: str = ""
    tagged: bool = False
    private: bool = False
    encrypted: bool = False
    versioned: bool = False
    has_lifecycle: bool = False


@dataclass(frozen=True, slots=True)
class RoleState:
    """The execution role, its trust policy and ours among its inline policies, as
    documents.
    """

    ownership: Ownership
    arn: str = ""
    trust: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """The ECR repository."""

    ownership: Ownership
    uri: str = ""
    scans: bool = False
    lifecycle: Mapping[str, Any] | None = None


def read_account(aws: Aws) -> Account:
    """Who we are.

    Raises:
        AwsError: without credentials, or with refused ones.
    """
    identity = aws.read("sts", "GetCallerIdentity")
    partition = identity["Arn"].split(":")[1]
    return Account(identity["Account"], partition, aws.region, identity["Arn"])


def read_bucket(aws: Aws, config: Config, account: Account) -> BucketState:
    """The bucket; one of another account is foreign, whether or not it lets us look."""
    name = names.bucket(config, account.account)
    owned = {"Bucket": name, "ExpectedBucketOwner": account.account}
    try:
        # HeadBucket of a missing bucket is 404, of somebody else's 403, of another
        # region's 301.
        aws.read("s3", "HeadBucket", **owned)
    except AwsError as error:
        if error.is_absent:
            return BucketState("absent")
        if error.code in ("403", "301", "AccessDenied", "PermanentRedirect"):
            return BucketState("foreign")
        raise
    tags = aws.read_or_none("s3", "GetBucketTagging", **owned) or {}
    found = tags.get("TagSet", [])
    tagged = _has_our_tag(config, found)
    empty = not aws.read("s3", "ListObjectVersions", **owned, MaxKeys=1).keys() & {
        "Versions",
        "DeleteMarkers",
    }
    ownership: Ownership = (
        "ours" if tagged else "unclaimed" if empty and not found else "foreign"
    )
    block = aws.read_or_none("s3", "GetPublicAccessBlock", **owned) or {}
    blocked = block.get("PublicAccessBlockConfiguration", {})
    encryption = aws.read_or_none("s3", "GetBucketEncryption", **owned)
    lifecycle = aws.read_or_none("s3", "GetBucketLifecycleConfiguration", **owned)
    location = (
        aws.read("s3", "GetBucketLocation", **owned).get("LocationConstraint")
        or "us-east-1"
    )
    return BucketState(
        ownership,
        region=str(location),
        tagged=tagged,
        private=len(blocked) == 4 and all(blocked.values()),
        encrypted=encryption is not None,
        versioned=aws.read("s3", "GetBucketVersioning", **owned).get("Status")
        == "Enabled",
        has_lifecycle=lifecycle is not None,
    )


def read_role(aws: Aws, config: Config, policy_name: str) -> RoleState:
    """The execution role with the inline policy of that name."""
    name = names.role(config)
    answer = aws.read_or_none("iam", "GetRole", RoleName=name)
    if answer is None:
        return RoleState("absent")
    role = answer["Role"]
    tags = aws.pages("iam", "ListRoleTags", "Tags", RoleName=name)
    policy = aws.read_or_none(
        "iam", "GetRolePolicy", RoleName=name, PolicyName=policy_name
    )
    return RoleState(
        "ours" if _has_our_tag(config, tags) else "foreign",
        role["Arn"],
        _document(role["AssumeRolePolicyDocument"]),
        _document(policy["PolicyDocument"]) if policy else None,
    )


def read_repository(aws: Aws, config: Config) -> RepositoryState:
    """The ECR repository with its lifecycle policy."""
    name = names.repository(config)
    answer = aws.read_or_none("ecr", "DescribeRepositories", repositoryNames=[name])
    if answer is None:
        return RepositoryState("absent")
    facts = answer["repositories"][0]
    tags = aws.read(
        "ecr", "ListTagsForResource", resourceArn=facts["repositoryArn"]
    ).get("tags", [])
    lifecycle = aws.read_or_none("ecr", "GetLifecyclePolicy", repositoryName=name)
    return RepositoryState(
        "ours" if _has_our_tag(config, tags) else "foreign",
        facts["repositoryUri"],
        facts.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        json.loads(lifecycle["lifecyclePolicyText"]) if lifecycle else None,
    )


def is_ours(aws: Aws, config: Config, arn: str) -> bool:
    """Whether a SageMaker resource carries our tag."""
    return _has_our_tag(
        config, aws.pages("sagemaker", "ListTags", "Tags", ResourceArn=arn)
    )


def _has_our_tag(config: Config, tags: Iterable[Mapping[str, str]]) -> bool:
    return any(
        tag["Key"] == names.TAG_KEY and tag["Value"] == config.name for tag in tags
    )


def _document(policy: Any) -> Mapping[str, Any]:
    """A policy as botocore gives it: decoded already, or as URL-encoded JSON."""
    return (
        policy
        if isinstance(policy, dict)
        else dict(json.loads(urllib.parse.unquote(policy)))
    )
