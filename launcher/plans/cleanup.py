"""What ``launcher cleanup`` does: stop what runs, then delete everything of ours,
dependents first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import assert_never

from launcher.inventory import Resource
from launcher.plans.hosting import plan_deletion
from launcher.plans.jobs import DONE, UNDER_WAY
from launcher.plans.setup import POLICY_NAME
from launcher.requests import Action, Call, Request, Wait

_STOP = {
    "training job": (
        "StopTrainingJob",
        "DescribeTrainingJob",
        "TrainingJobName",
        "TrainingJobStatus",
    ),
    "transform job": (
        "StopTransformJob",
        "DescribeTransformJob",
        "TransformJobName",
        "TransformJobStatus",
    ),
    "tuning job": (
        "StopHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    ),
}
_DELETE = {
    "endpoint config": ("DeleteEndpointConfig", "EndpointConfigName"),
    "model": ("DeleteModel", "ModelName"),
    "model package": ("DeleteModelPackage", "ModelPackageName"),
    "model package group": ("DeleteModelPackageGroup", "ModelPackageGroupName"),
    "training job": ("DeleteTrainingJob", "TrainingJobName"),
    "tuning job": ("DeleteHyperParameterTuningJob", "HyperParameterTuningJobName"),
}
_DELETE_AT_ONCE = 1000
_ENDED = (DONE, "Failed", "Stopped", "absent")


def plan_cleanup(account: str, found: Sequence[Resource]) -> list[Action]:
    """Actions for the whole inventory, which is in the order of deletion. A transform
    job that has ended stays on SageMaker's list, since the service offers no way to
    delete one; it costs nothing.
    """
    return list(chain.from_iterable(_delete(account, resource) for resource in found))


def plan_stops(found: Sequence[Resource]) -> list[Action]:
    """Stop what runs. The inventory is read again after it: what a stopped job still
    uploads must go too.
    """
    plans = [plan_stop(r) for r in found if r.kind in _STOP and r.state in UNDER_WAY]
    # All are told to stop before any is waited for.
    return [*(stop for stop, _ in plans), *(wait for _, wait in plans)]


def plan_stop(resource: Resource) -> tuple[Action, Action]:
    """Stop a job and wait until it has ended."""
    stop, described, member, state = _STOP[resource.kind]
    says = f"stop {resource.kind} {resource.name}"
    # A job that ended by itself in between is no fault.
    call = Call(
        says,
        Request("sagemaker", stop, {member: resource.name}),
        ("ValidationException", "ResourceNotFound"),
    )
    request = Request("sagemaker", described, {member: resource.name})
    return call, Wait(
        f"wait until {resource.name} has stopped", request, state, UNDER_WAY, _ENDED
    )


def _delete(account: str, resource: Resource) -> Iterator[Action]:
    name = resource.name
    match resource.kind:
        case (
            "endpoint config"
            | "model"
            | "model package"
            | "model package group"
            | "training job"
            | "tuning job"
        ):
            operation, member = _DELETE[resource.kind]
            yield _call(resource, "sagemaker", operation, **{member: name})
        case "endpoint":
            yield from plan_deletion(name, resource.state)
        case "transform job":
            return
        case "log streams":
            for group, stream in resource.parts:
                yield _call(
                    resource,
                    "logs",
                    "DeleteLogStream",
                    logGroupName=group,
                    logStreamName=stream,
                )
            if not resource.parts:
                yield _call(resource, "logs", "DeleteLogGroup", logGroupName=name)
        case "bucket":
            yield from _delete_bucket(resource, account)
        case "repository":
            yield _call(
                resource, "ecr", "DeleteRepository", repositoryName=name, force=True
            )
        case "role":
            policy = Request(
                "iam", "DeleteRolePolicy", {"RoleName": name, "PolicyName": POLICY_NAME}
            )
            yield Call(f"delete the policy of role {name}", policy, deletes=True)
            yield _call(resource, "iam", "DeleteRole", RoleName=name)
        case _:
            assert_never(resource.kind)


def _delete_bucket(resource: Resource, account: str) -> Iterator[Action]:
    owned = {"Bucket": resource.name, "ExpectedBucketOwner": account}
    for start in range(0, len(resource.parts), _DELETE_AT_ONCE):
        part = resource.parts[start : start + _DELETE_AT_ONCE]
        objects = [{"Key": key, "VersionId": version} for key, version in part]
        request = Request(
            "s3",
            "DeleteObjects",
            {**owned, "Delete": {"Objects": objects, "Quiet": True}},
        )
        yield Call(
            f"delete {len(objects)} objects and versions of bucket {resource.name}",
            request,
        )
    yield Call(
        f"delete bucket {resource.name}",
        Request("s3", "DeleteBucket", owned),
        deletes=True,
    )


def _call(
    resource: Resource, service: str, operation: str, **parameters: object
) -> Call:
    what = f"{resource.kind} {parameters.get('logStreamName', resource.name)}"
    return Call(f"delete {what}", Request(service, operation, parameters), deletes=True)


def costs(found: Sequence[Resource]) -> float:
    """Dollars an hour of all whose price is known."""
    return sum(resource.dollars_an_hour or 0.0 for resource in found)
