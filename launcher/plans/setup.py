"""What ``launcher init`` creates: bucket, execution role and ECR repository.

A resource that exists already is given the properties that it lacks.

The bucket is private, encrypted and versioned. The role may do what our jobs and
endpoints do, and nothing else. The repository scans what is pushed, and deletes images
without a tag after some time.
"""

from __future__ import annotations

import json
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.plans.protection import bucket_encryption
from launcher.policies import role_policy
from launcher.requests import Action, Call, Request
from launcher.world.account import Account
from launcher.world.resources import (
    BucketState,
    Ownership,
    RepositoryState,
    RoleState,
    missing_role,
)

REPOSITORY_LIFECYCLE = {
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
_NO_PUBLIC_ACCESS = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def plan_bucket(config: Config, account: Account, state: BucketState) -> list[Action]:
    """Create the bucket, or give it the properties that it lacks.

    A bucket that the user named is used as it is.

    Raises:
        ForeignError: somebody else's bucket has the name that we would use.
        LauncherError: the bucket is in another region, where SageMaker doesn't read.
    """
    name = names.bucket(config, account.id)
    if state.ownership == "absent":
        create = _create_bucket(name, account)
        return [create, *_complete_bucket(config, account, name, state)]
    if state.region and state.region != account.region:
        raise LauncherError(
            f"bucket {name} is in {state.region}, the jobs are in {account.region}: "
            "set another bucket"
        )
    if not state.region:
        raise ForeignError(
            f"bucket {name} lets nobody look: it is another account's, or you lack "
            "s3:ListBucket (`launcher policy` prints what you need)"
        )
    named = bool(config.bucket)
    if not _is_managed(state.ownership, "bucket", name, named=named):
        return []
    return _complete_bucket(config, account, name, state)


def _create_bucket(name: str, account: Account) -> Call:
    parameters: dict[str, Any] = {"Bucket": name}
    # us-east-1 is the default, and S3 refuses a request that names it.
    if account.region != "us-east-1":
        location = {"LocationConstraint": account.region}
        parameters["CreateBucketConfiguration"] = location
    return Call(
        f"create bucket {name}",
        Request("s3", "CreateBucket", parameters),
        done_if=("BucketAlreadyOwnedByYou",),
    )


def _complete_bucket(
    config: Config, account: Account, name: str, state: BucketState
) -> list[Action]:
    """Set the properties that the bucket lacks."""
    plan: list[Action] = []

    def put(verb: str, operation: str, **parameters: Any) -> None:
        request = Request("s3", operation, {**account.owned(name), **parameters})
        plan.append(Call(f"{verb} bucket {name}", request))

    if names.missing_tags(config, state.tags):
        # The request replaces all tags, also those that others have set.
        tags = names.as_list({**state.tags, **names.tags(config)})
        put("tag", "PutBucketTagging", Tagging={"TagSet": tags})
    if not state.private:
        put(
            "block public access to",
            "PutPublicAccessBlock",
            PublicAccessBlockConfiguration=_NO_PUBLIC_ACCESS,
        )
    if state.key != config.keys_bucket:
        put(
            "encrypt",
            "PutBucketEncryption",
            ServerSideEncryptionConfiguration=bucket_encryption(config),
        )
    if not state.versioned:
        enabled = {"Status": "Enabled"}
        put(
            "keep old versions of",
            "PutBucketVersioning",
            VersioningConfiguration=enabled,
        )
    if not state.has_lifecycle:
        put(
            "expire old versions of",
            "PutBucketLifecycleConfiguration",
            LifecycleConfiguration=_BUCKET_LIFECYCLE,
        )
    return plan


def plan_role(config: Config, account: Account, state: RoleState) -> list[Action]:
    """Create the role with its policy, or correct what differs.

    A role that the user named is used as it is.

    Raises:
        ForeignError: somebody else's role has the name that we would use.
        LauncherError: the role that the user named doesn't exist.
    """
    name = names.role(config)
    if config.role:
        if state.ownership == "absent":
            raise LauncherError(missing_role(config))
        return []

    trust = trust_policy(account)
    policy = role_policy(config, account)
    put_policy = {
        "RoleName": name,
        "PolicyName": names.ROLE_POLICY,
        "PolicyDocument": json.dumps(policy),
    }
    grant = Call(
        f"grant role {name} what jobs need",
        Request("iam", "PutRolePolicy", put_policy),
    )
    if state.ownership == "absent":
        role = {
            "RoleName": name,
            "AssumeRolePolicyDocument": json.dumps(trust),
            "Description": f"Jobs and endpoints of {config.name}",
            "Path": config.iam_path,
            "Tags": names.tag_list(config),
        }
        if config.iam_boundary:
            role["PermissionsBoundary"] = config.iam_boundary
        request = Request("iam", "CreateRole", role)
        create = Call(f"create role {name}", request, creates=True)
        return [create, grant]

    _is_managed(state.ownership, "role", name, named=False)
    plan: list[Action] = []
    missing = names.missing_tags(config, state.tags)
    if missing:
        tags = {"RoleName": name, "Tags": missing}
        plan.append(Call(f"tag role {name}", Request("iam", "TagRole", tags)))
    if state.path != config.iam_path:
        raise LauncherError(
            f"role {name} has the path {state.path}, the configuration says "
            f"{config.iam_path}, and AWS can't change it: delete the role, then run "
            "`launcher init`"
        )
    if config.iam_boundary and state.boundary != config.iam_boundary:
        bound = {"RoleName": name, "PermissionsBoundary": config.iam_boundary}
        request = Request("iam", "PutRolePermissionsBoundary", bound)
        plan.append(Call(f"put the boundary on role {name}", request))
    if state.trust != trust:
        update = {"RoleName": name, "PolicyDocument": json.dumps(trust)}
        request = Request("iam", "UpdateAssumeRolePolicy", update)
        plan.append(Call(f"let SageMaker assume role {name}", request))
    if state.policy != policy:
        plan.append(grant)
    return plan


def plan_repository(config: Config, state: RepositoryState) -> list[Action]:
    """Create the repository, or give it the properties that it lacks.

    A repository that the user named is used as it is.

    Raises:
        ForeignError: somebody else's repository has the name that we would use.
    """
    name = names.repository(config)
    lifecycle = {
        "repositoryName": name,
        "lifecyclePolicyText": json.dumps(REPOSITORY_LIFECYCLE),
    }
    expire = Call(
        f"expire untagged images of repository {name}",
        Request("ecr", "PutLifecyclePolicy", lifecycle),
    )
    scanning = {"scanOnPush": True}
    if state.ownership == "absent":
        repository = {
            "repositoryName": name,
            "imageScanningConfiguration": scanning,
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "tags": names.tag_list(config),
        }
        create = Call(
            f"create repository {name}",
            Request("ecr", "CreateRepository", repository),
            creates=True,
        )
        return [create, expire]

    named = bool(config.repository)
    if not _is_managed(state.ownership, "repository", name, named=named):
        return []
    plan: list[Action] = []
    missing = names.missing_tags(config, state.tags)
    if missing:
        tagging = {"resourceArn": state.arn, "tags": missing}
        request = Request("ecr", "TagResource", tagging)
        plan.append(Call(f"tag repository {name}", request))
    if not state.scans:
        scan = {"repositoryName": name, "imageScanningConfiguration": scanning}
        request = Request("ecr", "PutImageScanningConfiguration", scan)
        plan.append(Call(f"scan images pushed to {name}", request))
    if state.lifecycle != REPOSITORY_LIFECYCLE:
        plan.append(expire)
    return plan


def _is_managed(ownership: Ownership, kind: str, name: str, *, named: bool) -> bool:
    """Whether we look after an existing resource.

    We don't look after one that the user named and that doesn't carry our tag.

    Raises:
        ForeignError: the user didn't name it, and it isn't ours.
    """
    if ownership in ("ours", "unclaimed"):
        return True
    if named:
        return False
    raise ForeignError(
        f"{kind} {name} exists, but isn't ours (no tag {names.TAG_KEY}): set `{kind}` "
        "in halfstar.toml to one that may be used, or another `name`"
    )


def trust_policy(account: Account) -> dict[str, Any]:
    """SageMaker may assume the role, for jobs of this account alone."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account.id}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
