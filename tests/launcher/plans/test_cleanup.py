from __future__ import annotations

from launcher.plans.cleanup import plan_cleanup, plan_stops
from launcher.requests import Call, Wait
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.inventory import Resource

PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/1"
GROUP = "/aws/sagemaker/TrainingJobs"
VERSIONS = tuple((f"k{number}", "v") for number in range(1001))
ALL = [
    Resource("tuning job", "tuning", "InProgress"),
    Resource("training job", "running", "InProgress"),
    Resource("training job", "done", "Completed"),
    Resource("transform job", "batch", "InProgress"),
    Resource("endpoint", "e", "InService"),
    Resource("endpoint config", "c"),
    Resource("model", "m"),
    Resource("model package", PACKAGE),
    Resource("model package group", "g"),
    Resource("log streams", GROUP, parts=((GROUP, "done/algo-1"),)),
    Resource("log streams", "/aws/sagemaker/Endpoints/e"),
    Resource("bucket", "bucket", parts=VERSIONS),
    Resource("repository", "repo"),
    Resource("role", "halfstar"),
]


def test_jobs_stop_first_and_dependents_are_deleted_before_what_they_need(
    account: Account,
) -> None:
    steps: list[str] = []
    for action in [*plan_stops(ALL), *plan_cleanup(account, ALL)]:
        if isinstance(action, Call):
            validate(action.request)
            steps.append(action.request.operation)
        else:
            assert isinstance(action, Wait)
            steps.append("wait")
    assert steps == [
        "StopHyperParameterTuningJob",
        "StopTrainingJob",
        "StopTransformJob",
        "wait",
        "wait",
        "wait",
        "DeleteHyperParameterTuningJob",
        "DeleteTrainingJob",
        "DeleteTrainingJob",
        "DeleteEndpoint",
        "wait",
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteModelPackage",
        "DeleteModelPackageGroup",
        "DeleteLogStream",
        "DeleteLogGroup",
        "DeleteObjects",
        "DeleteObjects",
        "DeleteBucket",
        "DeleteRepository",
        "DeleteRolePolicy",
        "DeleteRole",
    ]


def test_a_job_that_has_ended_is_not_stopped() -> None:
    assert plan_stops([Resource("training job", "done", "Completed")]) == []


def test_an_empty_inventory_needs_nothing(account: Account) -> None:
    assert plan_stops([]) == []
    assert plan_cleanup(account, []) == []
