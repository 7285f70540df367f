from __future__ import annotations

import json
from typing import Any

from launcher.config import Config
from launcher.plans.model_package import plan_register
from launcher.requests import Call
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.jobs import TrainedModel
from movielens.evaluation import Evaluation
from tests.examples import EVALUATION

TRAINED = TrainedModel(
    image="image@sha256:1",
    model_data="s3://bucket/model.tar.gz",
    role_arn="arn:aws:iam::123456789012:role/halfstar",
)
JOB = {
    "TrainingJobName": "job",
    "FinalMetricDataList": [{"MetricName": "test:rmse", "Value": 0.80123456}],
}


def register(
    config: Config, account: Account, *, has_group: bool, approve: bool = False
) -> dict[str, Any]:
    """The parameters of each call of the plan, by operation."""
    plan = plan_register(
        config, account, JOB, TRAINED, EVALUATION, has_group=has_group, approve=approve
    )
    calls: dict[str, Any] = {}
    for action in plan:
        assert isinstance(action, Call)
        validate(action.request)
        calls[action.request.operation] = action.request.parameters
    return calls


def test_the_group_is_created_once(config: Config, account: Account) -> None:
    first = register(config, account, has_group=False)
    assert list(first) == ["CreateModelPackageGroup", "PutObject", "CreateModelPackage"]
    later = register(config, account, has_group=True)
    assert list(later) == ["PutObject", "CreateModelPackage"]


def test_the_package_points_to_the_uploaded_evaluation(
    config: Config, account: Account
) -> None:
    calls = register(config, account, has_group=True)
    upload = calls["PutObject"]
    assert Evaluation.from_json(json.loads(upload["Body"])) == EVALUATION
    quality = calls["CreateModelPackage"]["ModelMetrics"]["ModelQuality"]
    place = f"s3://{upload['Bucket']}/{upload['Key']}"
    assert quality["Statistics"]["S3Uri"] == place
    assert place.endswith("/evaluations/job.json")


def test_the_package_has_the_jobs_final_metrics(
    config: Config, account: Account
) -> None:
    package = register(config, account, has_group=True)["CreateModelPackage"]
    assert package["CustomerMetadataProperties"] == {"test_rmse": "0.801235"}


def test_a_package_waits_for_approval_unless_it_is_given(
    config: Config, account: Account
) -> None:
    pending = register(config, account, has_group=True)["CreateModelPackage"]
    assert pending["ModelApprovalStatus"] == "PendingManualApproval"
    approved = register(config, account, has_group=True, approve=True)
    assert approved["CreateModelPackage"]["ModelApprovalStatus"] == "Approved"
