"""What ``launcher init`` and ``launcher push`` create: bucket, execution role and
repository, each only where it lacks.

The bucket is private, encrypted and versioned; the role may do what a job or an
endpoint of ours does and nothing else; the repository scans what is pushed and forgets
what has no tag.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.requests import Action, Call, Request
from launcher.world import Account, BucketState, Ownership, RepositoryState, RoleState

POLICY_NAME = "halfstar"
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "Images without a tag",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 14,
            },
            "action": {"type": "expire"},
        }
    ]
}
_BUCKET_LIFECYCLE = {
    "Rules": [
        {
            "ID": "halfstar",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]
}


def plan_bucket(config: Config, account: Account, state: BucketState) -> list[Action]:
    """Create the bucket, or give it the properties that it lacks; one that the user
    named is used as it is.

    Raises:
        ForeignError: if a derived name is somebody else's.
        LauncherError: if the bucket is in another region, which SageMaker doesn't read
            from.
    """
    name = names.bucket(config, account.account)
    if state.ownership == "absent":
        return [
            *_create_bucket(name, account),
            *_mend_bucket(config, account, name, BucketState("unclaimed")),
        ]
    if state.region and state.region != account.region:
        raise LauncherError(
            f"bucket {name} is in {state.region}, the jobs in {account.region}: set another bucket"
        )
    if not _ours(
        state.ownership,
        "bucket",
        name,
        named=bool(config.bucket) and bool(state.region),
    ):
        return []
    return list(_mend_bucket(config, account, name, state))


def _create_bucket(name: str, account: Account) -> Iterator[Action]:
    # us-east-1 is the default, and the one location that may not be named.
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    parameters = {"Bucket": name} | (elsewhere if account.region != "us-east-1" else {})
    yield Call(
        f"create bucket {name}",
        Request("s3", "CreateBucket", parameters),
        ("BucketAlreadyOwnedByYou",),
    )


def _mend_bucket(
    config: Config, account: Account, name: str, state: BucketState
) -> Iterator[Action]:
    wanted: list[tuple[bool, str, str, dict[str, Any]]] = [
        (
            state.tagged,
            "tag",
            "PutBucketTagging",
            {"Tagging": {"TagSet": names.tag_list(config)}},
        ),
        (
            state.private,
            "block public access to",
            "PutPublicAccessBlock",
            {
                "PublicAccessBlockConfiguration": dict.fromkeys(
                    (
                        "BlockPublicAcls",
                        "IgnorePublicAcls",
                        "BlockPublicPolicy",
                        "RestrictPublicBuckets",
                    ),
                    True,
                )
            },
        ),
        (
            state.encrypted,
            "encrypt",
            "PutBucketEncryption",
            {
                "ServerSideEncryptionConfiguration": {
                    "Rules": [
                        {
                            "ApplyServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "AES256"
                            }
                        }
                    ]
                }
            },
        ),
        (
            state.versioned,
            "version",
            "PutBucketVersioning",
            {"VersioningConfiguration": {"Status": "Enabled"}},
        ),
        (
            state.has_lifecycle,
            "expire old versions of",
            "PutBucketLifecycleConfiguration",
            {"LifecycleConfiguration": _BUCKET_LIFECYCLE},
        ),
    ]
    for there, says, operation, parameters in wanted:
        if not there:
            owned = {"Bucket": name, "ExpectedBucketOwner": account.account}
            yield Call(
                f"{says} bucket {name}",
                Request("s3", operation, {**owned, **parameters}),
            )


def plan_role(config: Config, account: Account, state: RoleState) -> list[Action]:
    """Create the role with its policy, or mend what differs; one that the user named is
    used as it is.

    Raises:
        ForeignError: if the derived name is another role's.
        LauncherError: if the role that the user named isn't there.
    """
    name = names.role(config)
    trust, policy = trust_policy(account), role_policy(config, account)
    put = Request(
        "iam",
        "PutRolePolicy",
        {
            "RoleName": name,
            "PolicyName": POLICY_NAME,
            "PolicyDocument": json.dumps(policy),
        },
    )
    if config.role:
        if state.ownership == "absent":
            raise LauncherError(
                f"role {config.role} isn't there: create it, or remove `role` from the configuration"
            )
        return []
    if state.ownership == "absent":
        create = Request(
            "iam",
            "CreateRole",
            {
                "RoleName": name,
                "AssumeRolePolicyDocument": json.dumps(trust),
                "Description": f"Jobs and endpoints of {config.name}",
                "Tags": names.tag_list(config),
            },
        )
        return [
            Call(f"create role {name}", create),
            Call(f"grant role {name} what jobs need", put),
        ]
    _ours(state.ownership, "role", name, named=False)
    plan: list[Action] = []
    if state.trust != trust:
        update = {"RoleName": name, "PolicyDocument": json.dumps(trust)}
        plan.append(
            Call(
                f"let SageMaker assume role {name}",
                Request("iam", "UpdateAssumeRolePolicy", update),
            )
        )
    if state.policy != policy:
        plan.append(Call(f"grant role {name} what jobs need", put))
    return plan


def plan_repository(config: Config, state: RepositoryState) -> list[Action]:
    """Create the repository, or mend what it lacks; one that the user named is used as
    it is.

    Raises:
        ForeignError: if the derived name is another repository's.
    """
    name = names.repository(config)
    policy = {"repositoryName": name, "lifecyclePolicyText": json.dumps(LIFECYCLE)}
    expire = Call(
        f"expire untagged images of repository {name}",
        Request("ecr", "PutLifecyclePolicy", policy),
    )
    if state.ownership == "absent":
        create = {
            "repositoryName": name,
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "tags": names.tag_list(config),
        }
        request = Request("ecr", "CreateRepository", create)
        return [
            Call(
                f"create repository {name}",
                request,
                ("RepositoryAlreadyExistsException",),
            ),
            expire,
        ]
    if not _ours(state.ownership, "repository", name, named=bool(config.repository)):
        return []
    scan = {"repositoryName": name, "imageScanningConfiguration": {"scanOnPush": True}}
    scanning = Call(
        f"scan images pushed to {name}",
        Request("ecr", "PutImageScanningConfiguration", scan),
    )
    return [
        *([] if state.scans else [scanning]),
        *([] if state.lifecycle == LIFECYCLE else [expire]),
    ]


def _ours(ownership: Ownership, kind: str, name: str, *, named: bool) -> bool:
    """Whether we look after it; what the user named, but isn't ours, is used as it is."""
    if ownership in ("ours", "unclaimed"):
        return True
    if named:
        return False
    raise ForeignError(
        f"{kind} {name} is there, but isn't ours (no tag {names.TAG_KEY}): set `{kind}` in halfstar.toml to one that "
        f"may be used, or another `name`"
    )


def trust_policy(account: Account) -> dict[str, Any]:
    """SageMaker may assume the role, for jobs of this account alone."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account.account}},
            }
        ],
    }


def role_policy(config: Config, account: Account) -> dict[str, Any]:
    """Least privilege: our bucket, our repository, SageMaker's own logs and metrics."""
    at = f"arn:{account.partition}"
    bucket = f"{at}:s3:::{names.bucket(config, account.account)}"
    here = f"{account.region}:{account.account}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow(["s3:ListBucket", "s3:GetBucketLocation"], bucket),
            _allow(
                [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                ],
                f"{bucket}/*",
            ),
            _allow(["ecr:GetAuthorizationToken"], "*"),
            _allow(
                [
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchCheckLayerAvailability",
                ],
                f"{at}:ecr:{here}:repository/{names.repository(config)}",
            ),
            _allow(
                [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                ],
                f"{at}:logs:{here}:log-group:/aws/sagemaker/*",
            ),
            {
                **_allow(["cloudwatch:PutMetricData"], "*"),
                "Condition": {
                    "StringLike": {
                        "cloudwatch:namespace": [
                            "/aws/sagemaker/*",
                            "AWS/SageMaker",
                            "aws/sagemaker/*",
                        ]
                    }
                },
            },
        ],
    }


def _allow(actions: list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}
