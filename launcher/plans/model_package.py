"""What ``launcher register`` creates: a model package group, the evaluation in the
bucket, and a model package that points to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from launcher import names
from launcher.config import Config
from launcher.plans.hosting import container_of
from launcher.requests import Action, Call, Request
from launcher.s3_uri import S3Uri
from launcher.world.account import Account
from launcher.world.jobs import TrainedModel

if TYPE_CHECKING:
    from movielens.evaluation import Evaluation

_APPROVED = "Approved"
_CONTENT_TYPES = ["text/csv", "application/json", "application/jsonlines"]


def plan_approval(arn: str, status: str) -> list[Action]:
    """Mark a registered package as approved, unless it is."""
    if status == _APPROVED:
        return []
    parameters = {"ModelPackageArn": arn, "ModelApprovalStatus": _APPROVED}
    request = Request("sagemaker", "UpdateModelPackage", parameters)
    return [Call(f"approve model package {arn.partition('/')[2]}", request)]


def plan_register(
    config: Config,
    account: Account,
    job: dict[str, Any],
    trained: TrainedModel,
    evaluation: Evaluation,
    *,
    has_group: bool,
    approve: bool,
) -> list[Action]:
    """Create the group if it is missing, upload the evaluation, create the package.

    Args:
        config: names and instance types.
        account: whose bucket gets the evaluation.
        job: the training job, as DescribeTrainingJob gives it.
        trained: what the job gives to serve.
        evaluation: the job's evaluation.
        has_group: whether the model package group exists.
        approve: mark the package as approved.
    """
    group = names.package_group(config)
    job_name = job["TrainingJobName"]
    bucket = names.bucket(config, account.id)
    uploaded = S3Uri(bucket, f"evaluations/{job_name}.json")
    upload = Call(
        f"upload {uploaded.key}",
        Request(
            "s3",
            "PutObject",
            {
                **account.owned(bucket),
                "Key": uploaded.key,
                "Body": json.dumps(evaluation.to_json(), sort_keys=True),
                "ContentType": "application/json",
            },
        ),
    )

    instances = sorted({config.hosting_instance_type, config.transform_instance_type})
    statistics = {"ContentType": "application/json", "S3Uri": str(uploaded)}
    # Names of properties have no colons.
    properties = {
        metric["MetricName"].replace(":", "_"): f"{metric['Value']:.6g}"
        for metric in job.get("FinalMetricDataList", [])
    }
    # A package in a group takes no tags of its own; the group carries them.
    package = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": f"Trained by {job_name}",
        "InferenceSpecification": {
            "Containers": [container_of(config, trained)],
            "SupportedContentTypes": _CONTENT_TYPES,
            "SupportedResponseMIMETypes": _CONTENT_TYPES,
            "SupportedRealtimeInferenceInstanceTypes": instances,
            "SupportedTransformInstanceTypes": instances,
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
        "CustomerMetadataProperties": properties,
        "ModelApprovalStatus": _APPROVED if approve else "PendingManualApproval",
    }
    register = Call(
        f"register the model of {job_name}",
        Request("sagemaker", "CreateModelPackage", package),
    )
    if has_group:
        return [upload, register]

    tagged = {"ModelPackageGroupName": group, "Tags": names.tag_list(config)}
    create_group = Call(
        f"create model package group {group}",
        Request("sagemaker", "CreateModelPackageGroup", tagged),
        creates=True,
    )
    return [create_group, upload, register]
