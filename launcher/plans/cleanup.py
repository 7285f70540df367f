"""What ``launcher stop`` and ``launcher cleanup`` do: stop jobs, then delete everything
of ours in the order of the inventory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from launcher import names
from launcher.kinds import ABSENT, JOBS, SAGEMAKER_KINDS
from launcher.plans.alarms import plan_no_alarms
from launcher.plans.dashboards import plan_no_dashboard
from launcher.plans.hosting import plan_deletion
from launcher.plans.scaling import plan_no_scaling
from launcher.requests import Action, Call, Request, Wait
from launcher.world.account import Account
from launcher.world.inventory import Resource
from launcher.world.operation import ScalingState

# One DeleteObjects takes so many objects.
_OBJECTS_A_CALL = 1000


def plan_stops(found: Sequence[Resource]) -> list[Action]:
    """Stop the jobs that are under way, and wait until all of them have ended."""
    running = [job for job in found if job.kind in JOBS and job.is_under_way]
    # All are asked to stop before any is waited for.
    stops = [_stop(job) for job in running]
    waits = [_wait_until_ended(job) for job in running]
    return [*stops, *waits]


def _stop(job: Resource) -> Call:
    return Call(
        f"stop {job.kind} {job.name}",
        JOBS[job.kind].request("Stop", job.name),
        # It may have ended by itself in the meantime.
        done_if=("ValidationException", "ResourceNotFound"),
    )


def _wait_until_ended(job: Resource) -> Wait:
    kind = JOBS[job.kind]
    return Wait(
        f"wait until {job.name} has stopped",
        kind.request("Describe", job.name),
        kind.state_member,
        kind.under_way,
        good=(*kind.settled, ABSENT),
    )


def plan_cleanup(account: Account, found: Sequence[Resource]) -> list[Action]:
    """Delete everything of an inventory, which is in the order of deletion.

    Transform jobs stay on SageMaker's list: the service can't delete them, and they
    cost nothing once they have ended.
    """
    plan: list[Action] = []
    for resource in found:
        plan += _delete(account, resource)
    return plan


def _delete(account: Account, resource: Resource) -> Iterator[Action]:
    name = resource.name
    says = f"delete {resource.kind} {resource.short_name}"
    match resource.kind:
        case "transform job":
            return
        case "endpoint":
            yield from plan_deletion(name, resource.state)
        case (
            "training job"
            | "tuning job"
            | "endpoint config"
            | "model"
            | "model package"
            | "model package group" as kind
        ):
            request = SAGEMAKER_KINDS[kind].request("Delete", name)
            yield Call(says, request, deletes=True)
        case "alarm":
            yield from plan_no_alarms([name])
        case "dashboard":
            yield from plan_no_dashboard(name)
        case "scaling":
            yield from plan_no_scaling(name, ScalingState(bounds=(0, 0)))
        case "log streams":
            yield from _delete_logs(resource)
        case "bucket":
            yield from _empty_bucket(account, resource)
            request = Request("s3", "DeleteBucket", account.owned(name))
            yield Call(says, request, deletes=True)
        case "repository":
            parameters = {"repositoryName": name, "force": True}
            request = Request("ecr", "DeleteRepository", parameters)
            yield Call(says, request, deletes=True)
        case "role":
            policy = {"RoleName": name, "PolicyName": names.ROLE_POLICY}
            yield Call(
                f"delete the policy of role {name}",
                Request("iam", "DeleteRolePolicy", policy),
                deletes=True,
            )
            request = Request("iam", "DeleteRole", {"RoleName": name})
            yield Call(says, request, deletes=True)
        case _:
            assert_never(resource.kind)


def _delete_logs(resource: Resource) -> Iterator[Action]:
    """Delete single streams of a shared group, or a group that is all ours."""
    if not resource.parts:
        parameters = {"logGroupName": resource.name}
        request = Request("logs", "DeleteLogGroup", parameters)
        yield Call(f"delete log group {resource.name}", request, deletes=True)
    for group, stream in resource.parts:
        parameters = {"logGroupName": group, "logStreamName": stream}
        request = Request("logs", "DeleteLogStream", parameters)
        yield Call(f"delete log stream {stream}", request, deletes=True)


def _empty_bucket(account: Account, bucket: Resource) -> Iterator[Action]:
    for start in range(0, len(bucket.parts), _OBJECTS_A_CALL):
        versions = bucket.parts[start : start + _OBJECTS_A_CALL]
        objects = [{"Key": key, "VersionId": version} for key, version in versions]
        delete = {"Objects": objects, "Quiet": True}
        parameters = {**account.owned(bucket.name), "Delete": delete}
        yield Call(
            f"delete {len(objects)} objects and versions of bucket {bucket.name}",
            Request("s3", "DeleteObjects", parameters),
            deletes=True,
        )
