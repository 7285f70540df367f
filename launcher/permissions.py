"""Which IAM permissions each request needs: one table of all requests that the launcher
sends.

`launcher.aws` sends no request that isn't in the table, and ``launcher policy`` makes
its policies from it. So the policies can't be behind the commands.

AWS's service authorization reference has the actions and their resources:
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from launcher.requests import Request


class Target(StrEnum):
    """What a permission is about; each is a statement of the operator's policy."""

    ANYTHING = "Look"
    BUCKET = "Bucket"
    OBJECTS = "Objects"
    ROLE = "Role"
    PASS_ROLE = "PassRole"
    BOUNDARY = "Boundary"
    REPOSITORY = "Repository"
    JOBS = "Jobs"
    MODELS = "Models"
    ENDPOINTS = "Endpoints"
    PACKAGES = "Packages"
    LOGS = "Logs"
    SCALING = "Scaling"
    ALARMS = "Alarms"
    NETWORK = "Network"
    KEYS = "Keys"


@dataclass(frozen=True, slots=True)
class Permission:
    """An IAM action on a target."""

    action: str
    target: Target


def permissions_of(request: Request) -> tuple[Permission, ...]:
    """What a request needs; the permission for the request itself comes first.

    Raises:
        LookupError: the request isn't in the table. Add it.

    Example:
        >>> permissions_of(Request("s3", "HeadObject"))[0].action
        's3:GetObject'
    """
    return TABLE[request.service, request.operation]


def _of(target: Target, *actions: str) -> tuple[Permission, ...]:
    return tuple(Permission(action, target) for action in actions)


def _create(stem: str, target: Target, *others: str) -> tuple[Permission, ...]:
    """Creating a resource of SageMaker with its tags, and a role that it runs as."""
    return (
        *_of(target, f"sagemaker:Create{stem}", "sagemaker:AddTags", *others),
        *_of(Target.PASS_ROLE, "iam:PassRole"),
    )


_USE_NETWORK = _of(
    Target.NETWORK,
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
_USE_KEYS = _of(Target.KEYS, "kms:CreateGrant", "kms:DescribeKey")
_READ_WITH_KEYS = _of(Target.KEYS, "kms:Decrypt")
_WRITE_WITH_KEYS = _of(Target.KEYS, "kms:Decrypt", "kms:GenerateDataKey")

_IDENTITY: dict[tuple[str, str], tuple[Permission, ...]] = {
    # Everybody may ask who they are.
    ("sts", "GetCallerIdentity"): (),
}
_BUCKET = {
    ("s3", "CreateBucket"): _of(Target.BUCKET, "s3:CreateBucket"),
    ("s3", "DeleteBucket"): _of(Target.BUCKET, "s3:DeleteBucket"),
    ("s3", "HeadBucket"): _of(Target.BUCKET, "s3:ListBucket"),
    ("s3", "ListObjectsV2"): _of(Target.BUCKET, "s3:ListBucket"),
    ("s3", "ListObjectVersions"): _of(Target.BUCKET, "s3:ListBucketVersions"),
    ("s3", "GetBucketLocation"): _of(Target.BUCKET, "s3:GetBucketLocation"),
    ("s3", "GetBucketTagging"): _of(Target.BUCKET, "s3:GetBucketTagging"),
    ("s3", "PutBucketTagging"): _of(Target.BUCKET, "s3:PutBucketTagging"),
    ("s3", "GetBucketVersioning"): _of(Target.BUCKET, "s3:GetBucketVersioning"),
    ("s3", "PutBucketVersioning"): _of(Target.BUCKET, "s3:PutBucketVersioning"),
    ("s3", "GetPublicAccessBlock"): _of(Target.BUCKET, "s3:GetBucketPublicAccessBlock"),
    ("s3", "PutPublicAccessBlock"): _of(Target.BUCKET, "s3:PutBucketPublicAccessBlock"),
    ("s3", "GetBucketEncryption"): _of(Target.BUCKET, "s3:GetEncryptionConfiguration"),
    ("s3", "PutBucketEncryption"): _of(Target.BUCKET, "s3:PutEncryptionConfiguration"),
    ("s3", "GetBucketLifecycleConfiguration"): _of(
        Target.BUCKET, "s3:GetLifecycleConfiguration"
    ),
    ("s3", "PutBucketLifecycleConfiguration"): _of(
        Target.BUCKET, "s3:PutLifecycleConfiguration"
    ),
    ("s3", "HeadObject"): (*_of(Target.OBJECTS, "s3:GetObject"), *_READ_WITH_KEYS),
    ("s3", "GetObject"): (*_of(Target.OBJECTS, "s3:GetObject"), *_READ_WITH_KEYS),
    # A large file goes in parts, and those of a failed upload are removed.
    ("s3", "PutObject"): (
        *_of(Target.OBJECTS, "s3:PutObject", "s3:AbortMultipartUpload"),
        *_WRITE_WITH_KEYS,
    ),
    ("s3", "DeleteObject"): _of(Target.OBJECTS, "s3:DeleteObject"),
    ("s3", "DeleteObjects"): _of(
        Target.OBJECTS, "s3:DeleteObjectVersion", "s3:DeleteObject"
    ),
}
_ROLE = {
    ("iam", "GetRole"): _of(Target.ROLE, "iam:GetRole"),
    ("iam", "ListRoleTags"): _of(Target.ROLE, "iam:ListRoleTags"),
    ("iam", "GetRolePolicy"): _of(Target.ROLE, "iam:GetRolePolicy"),
    ("iam", "CreateRole"): _of(Target.ROLE, "iam:CreateRole", "iam:TagRole"),
    ("iam", "TagRole"): _of(Target.ROLE, "iam:TagRole"),
    ("iam", "UpdateAssumeRolePolicy"): _of(Target.ROLE, "iam:UpdateAssumeRolePolicy"),
    ("iam", "PutRolePolicy"): _of(Target.ROLE, "iam:PutRolePolicy"),
    ("iam", "PutRolePermissionsBoundary"): _of(
        Target.ROLE, "iam:PutRolePermissionsBoundary"
    ),
    ("iam", "DeleteRolePolicy"): _of(Target.ROLE, "iam:DeleteRolePolicy"),
    ("iam", "DeleteRole"): _of(Target.ROLE, "iam:DeleteRole"),
    ("iam", "GetPolicy"): _of(Target.BOUNDARY, "iam:GetPolicy"),
}
_REPOSITORY = {
    ("ecr", "GetAuthorizationToken"): _of(Target.ANYTHING, "ecr:GetAuthorizationToken"),
    ("ecr", "DescribeRepositories"): _of(Target.REPOSITORY, "ecr:DescribeRepositories"),
    ("ecr", "ListTagsForResource"): _of(Target.REPOSITORY, "ecr:ListTagsForResource"),
    ("ecr", "GetLifecyclePolicy"): _of(Target.REPOSITORY, "ecr:GetLifecyclePolicy"),
    ("ecr", "ListImages"): _of(Target.REPOSITORY, "ecr:ListImages"),
    ("ecr", "CreateRepository"): _of(
        Target.REPOSITORY, "ecr:CreateRepository", "ecr:TagResource"
    ),
    ("ecr", "TagResource"): _of(Target.REPOSITORY, "ecr:TagResource"),
    ("ecr", "PutLifecyclePolicy"): _of(Target.REPOSITORY, "ecr:PutLifecyclePolicy"),
    ("ecr", "PutImageScanningConfiguration"): _of(
        Target.REPOSITORY, "ecr:PutImageScanningConfiguration"
    ),
    ("ecr", "DeleteRepository"): _of(Target.REPOSITORY, "ecr:DeleteRepository"),
}
# What docker asks the registry for, in the operator's name.
DOCKER = _of(
    Target.REPOSITORY,
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


def _described_and_deleted(
    stem: str, target: Target, *verbs: str
) -> dict[tuple[str, str], tuple[Permission, ...]]:
    """Requests about one resource, whose actions have the names of the operations."""
    rows: dict[tuple[str, str], tuple[Permission, ...]] = {}
    for verb in ("Describe", "Delete", *verbs):
        operation = f"{verb}{stem}"
        rows["sagemaker", operation] = _of(target, f"sagemaker:{operation}")
    return rows


def _lists(
    *operations: str, service: str = "sagemaker"
) -> dict[tuple[str, str], tuple[Permission, ...]]:
    """Requests that aren't about one resource."""
    return {
        (service, operation): _of(Target.ANYTHING, f"{service}:{operation}")
        for operation in operations
    }


_SAGEMAKER = {
    **_lists(
        "ListTrainingJobs",
        "ListHyperParameterTuningJobs",
        "ListTransformJobs",
        "ListEndpoints",
        "ListEndpointConfigs",
        "ListModels",
        "ListModelPackageGroups",
        "ListModelPackages",
        # Somebody else's resource with a name like ours is looked at, too.
        "ListTags",
    ),
    **_described_and_deleted("TrainingJob", Target.JOBS, "Stop"),
    **_described_and_deleted("HyperParameterTuningJob", Target.JOBS, "Stop"),
    ("sagemaker", "DescribeTransformJob"): _of(
        Target.JOBS, "sagemaker:DescribeTransformJob"
    ),
    ("sagemaker", "StopTransformJob"): _of(Target.JOBS, "sagemaker:StopTransformJob"),
    ("sagemaker", "CreateTrainingJob"): (
        *_create("TrainingJob", Target.JOBS),
        *_USE_NETWORK,
        *_USE_KEYS,
    ),
    # A tuning job starts training jobs in the caller's name.
    ("sagemaker", "CreateHyperParameterTuningJob"): (
        *_create("HyperParameterTuningJob", Target.JOBS, "sagemaker:CreateTrainingJob"),
        *_USE_NETWORK,
        *_USE_KEYS,
    ),
    ("sagemaker", "CreateTransformJob"): (
        *_of(Target.JOBS, "sagemaker:CreateTransformJob", "sagemaker:AddTags"),
        *_USE_KEYS,
    ),
    **_described_and_deleted("Model", Target.MODELS),
    ("sagemaker", "CreateModel"): (
        *_create("Model", Target.MODELS),
        *_USE_NETWORK,
    ),
    **_described_and_deleted("EndpointConfig", Target.ENDPOINTS),
    **_described_and_deleted("Endpoint", Target.ENDPOINTS, "Update"),
    ("sagemaker", "CreateEndpointConfig"): (
        *_of(Target.ENDPOINTS, "sagemaker:CreateEndpointConfig", "sagemaker:AddTags"),
        *_USE_KEYS,
    ),
    ("sagemaker", "CreateEndpoint"): _of(
        Target.ENDPOINTS, "sagemaker:CreateEndpoint", "sagemaker:AddTags"
    ),
    ("sagemaker", "AddTags"): _of(Target.ENDPOINTS, "sagemaker:AddTags"),
    ("sagemaker-runtime", "InvokeEndpoint"): _of(
        Target.ENDPOINTS, "sagemaker:InvokeEndpoint"
    ),
    ("sagemaker-runtime", "InvokeEndpointAsync"): _of(
        Target.ENDPOINTS, "sagemaker:InvokeEndpointAsync"
    ),
    **_described_and_deleted("ModelPackage", Target.PACKAGES, "Create", "Update"),
    **_described_and_deleted("ModelPackageGroup", Target.PACKAGES),
    ("sagemaker", "CreateModelPackageGroup"): _of(
        Target.PACKAGES, "sagemaker:CreateModelPackageGroup", "sagemaker:AddTags"
    ),
}
_WATCHING = {
    **_lists("DescribeLogGroups", service="logs"),
    ("logs", "DescribeLogStreams"): _of(Target.LOGS, "logs:DescribeLogStreams"),
    ("logs", "GetLogEvents"): _of(Target.LOGS, "logs:GetLogEvents"),
    ("logs", "DeleteLogGroup"): _of(Target.LOGS, "logs:DeleteLogGroup"),
    ("logs", "DeleteLogStream"): _of(Target.LOGS, "logs:DeleteLogStream"),
    **_lists("DescribeAlarms", "GetMetricData", service="cloudwatch"),
    ("cloudwatch", "PutMetricAlarm"): _of(
        Target.ALARMS, "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"
    ),
    ("cloudwatch", "DeleteAlarms"): _of(Target.ALARMS, "cloudwatch:DeleteAlarms"),
    ("cloudwatch", "TagResource"): _of(Target.ALARMS, "cloudwatch:TagResource"),
    ("cloudwatch", "GetDashboard"): _of(Target.ALARMS, "cloudwatch:GetDashboard"),
    ("cloudwatch", "PutDashboard"): _of(Target.ALARMS, "cloudwatch:PutDashboard"),
    ("cloudwatch", "DeleteDashboards"): _of(
        Target.ALARMS, "cloudwatch:DeleteDashboards"
    ),
    ("cloudwatch", "ListTagsForResource"): _of(
        Target.ALARMS, "cloudwatch:ListTagsForResource"
    ),
    ("service-quotas", "ListServiceQuotas"): _of(
        Target.ANYTHING, "servicequotas:ListServiceQuotas"
    ),
}
_SCALING = {
    **_lists(
        "DescribeScalableTargets",
        "DescribeScalingPolicies",
        service="application-autoscaling",
    ),
    # The first target of an account makes the service's own role.
    ("application-autoscaling", "RegisterScalableTarget"): (
        *_of(
            Target.SCALING,
            "application-autoscaling:RegisterScalableTarget",
            "iam:CreateServiceLinkedRole",
        ),
        *_of(Target.ENDPOINTS, "sagemaker:UpdateEndpointWeightsAndCapacities"),
    ),
    ("application-autoscaling", "DeregisterScalableTarget"): _of(
        Target.SCALING, "application-autoscaling:DeregisterScalableTarget"
    ),
    # The service makes alarms of its own for a policy.
    ("application-autoscaling", "PutScalingPolicy"): (
        *_of(Target.SCALING, "application-autoscaling:PutScalingPolicy"),
        *_of(Target.ALARMS, "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"),
    ),
    ("application-autoscaling", "DeleteScalingPolicy"): _of(
        Target.SCALING, "application-autoscaling:DeleteScalingPolicy"
    ),
}
_ACCOUNT = {
    ("ec2", "DescribeSubnets"): _of(Target.NETWORK, "ec2:DescribeSubnets"),
    ("ec2", "DescribeSecurityGroups"): _of(
        Target.NETWORK, "ec2:DescribeSecurityGroups"
    ),
    ("kms", "DescribeKey"): _of(Target.KEYS, "kms:DescribeKey"),
}

TABLE: dict[tuple[str, str], tuple[Permission, ...]] = {
    **_IDENTITY,
    **_BUCKET,
    **_ROLE,
    **_REPOSITORY,
    **_SAGEMAKER,
    **_WATCHING,
    **_SCALING,
    **_ACCOUNT,
}
"""The permissions of each request, by botocore's service and the API's operation."""
