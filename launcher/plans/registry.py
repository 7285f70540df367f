"""What ``launcher register`` creates: a group, the evaluation in the bucket, and a
model package that points to it.
"""

from __future__ import annotations

import json
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.plans.hosting import Hosted
from launcher.requests import Action, Call, Request
from launcher.world import Account

_CONTENT_TYPES = ["text/csv", "application/json", "application/jsonlines"]


def plan_register(
    config: Config,
    account: Account,
    job: dict[str, Any],
    what: Hosted,
    evaluation: dict[str, Any],
    *,
    has_group: bool,
    approve: bool,
) -> list[Action]:
    """One model package; a versioned one takes no tags of its own, its group carries
    them.
    """
    group, name = names.package_group(config), job["TrainingJobName"]
    bucket, key = names.bucket(config, account.account), f"evaluations/{name}.json"
    put = {
        "Bucket": bucket,
        "ExpectedBucketOwner": account.account,
        "Key": key,
        "Body": json.dumps(evaluation, sort_keys=True),
        "ContentType": "application/json",
    }
    instances = sorted({config.hosting_instance_type, config.transform_instance_type})
    package = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": f"Trained by {name}",
        "InferenceSpecification": {
            "Containers": [{"Image": what.image, "ModelDataUrl": what.model_data}],
            "SupportedContentTypes": _CONTENT_TYPES,
            "SupportedResponseMIMETypes": _CONTENT_TYPES,
            "SupportedRealtimeInferenceInstanceTypes": instances,
            "SupportedTransformInstanceTypes": instances,
        },
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {
                    "ContentType": "application/json",
                    "S3Uri": f"s3://{bucket}/{key}",
                }
            }
        },
        "CustomerMetadataProperties": {
            metric["MetricName"].replace(":", "_"): f"{metric['Value']:.6g}"
            for metric in job.get("FinalMetricDataList", [])
        },
        "ModelApprovalStatus": "Approved" if approve else "PendingManualApproval",
    }
    tagged = {"ModelPackageGroupName": group, "Tags": names.tag_list(config)}
    create_group = Call(
        f"create model package group {group}",
        Request("sagemaker", "CreateModelPackageGroup", tagged),
    )
    return [
        *([] if has_group else [create_group]),
        Call(f"upload {key}", Request("s3", "PutObject", put)),
        Call(
            f"register the model of {name}",
            Request("sagemaker", "CreateModelPackage", package),
        ),
    ]
