from __future__ import annotations

from launcher.inventory import Resource
from launcher.plans.cleanup import costs, plan_cleanup, plan_stops
from launcher.requests import Call, Wait
from launcher.validate import validate

ALL = [
    Resource("tuning job", "tuning", "InProgress"),
    Resource("training job", "running", "InProgress", 0.12),
    Resource("training job", "done", "Completed"),
    Resource("transform job", "batch", "InProgress", None),
    Resource("endpoint", "e", "InService", 0.24),
    Resource("endpoint config", "c"),
    Resource("model", "m"),
    Resource(
        "model package", "arn:aws:sagemaker:eu-central-1:123456789012:model-package/g/1"
    ),
    Resource("model package group", "g"),
    Resource(
        "log streams",
        "/aws/sagemaker/TrainingJobs",
        parts=(("/aws/sagemaker/TrainingJobs", "done/algo-1"),),
    ),
    Resource("log streams", "/aws/sagemaker/Endpoints/e"),
    Resource("bucket", "bucket", parts=tuple((f"k{i}", "v") for i in range(1001))),
    Resource("repository", "repo"),
    Resource("role", "halfstar"),
]


def test_dependents_go_first_and_jobs_stop_before_all() -> None:
    said = []
    for action in [*plan_stops(ALL), *plan_cleanup("123456789012", ALL)]:
        if isinstance(action, Call):
            validate(action.request)
            said.append(action.request.operation)
        else:
            assert isinstance(action, Wait)
            said.append("wait")
    assert said == [
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


def test_what_is_known_of_the_costs_is_added_up() -> None:
    assert costs(ALL) == 0.36


def test_nothing_needs_nothing() -> None:
    assert plan_stops([]) == plan_cleanup("123456789012", []) == []
