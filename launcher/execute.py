"""Performs a plan: one action after the other, each said as it is done; what was done stays when a later one fails.

A plan is made from the state of the world, so after a failure or Ctrl-C the same command plans what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from launcher.aws import Aws
from launcher.errors import AwsError, JobFailedError
from launcher.images import push
from launcher.requests import Action, Call, PushImage, Request, Wait, WriteFile

ABSENT = "absent"
_ABSENT_CODES = (
    "ResourceNotFound",
    "ResourceNotFoundException",
    "NoSuchEntity",
    "NoSuchBucket",
    "404",
    "RepositoryNotFoundException",
)
_POLL_SECONDS = 5.0
# IAM answers before all of AWS knows: a role just made can be refused for some seconds.
_NEW_ROLE_ATTEMPTS = 12
Report = Callable[[str], None]


def perform(
    plan: Sequence[Action], aws: Aws, report: Report, registry: str = "", poll_seconds: float = _POLL_SECONDS
) -> list[dict[str, Any]]:
    """Perform every action in order; gives the answers of the calls.

    Raises:
        LauncherError: of the first action that fails.
    """
    return [_perform(action, aws, report, registry, poll_seconds) for action in plan]


def _perform(action: Action, aws: Aws, report: Report, registry: str, poll_seconds: float) -> dict[str, Any]:
    report(action.says)
    match action:
        case Call():
            return _call(action, aws, poll_seconds)
        case WriteFile():
            action.path.write_text(action.text)
            return {}
        case PushImage():
            return {"image_uri": push(action, aws, registry)}
        case Wait():
            wait(action, aws, report, registry, poll_seconds)
            return {}
        case _:
            assert_never(action)


def _call(action: Call, aws: Aws, poll_seconds: float) -> dict[str, Any]:
    body = action.request.parameters.get("Body")
    if action.request.operation == "PutObject" and hasattr(body, "stat"):
        p = action.request.parameters
        aws.upload(p["Body"], p["Bucket"], p["Key"], lambda _: None, p["ExpectedBucketOwner"])
        return {}
    for attempt in range(1, _NEW_ROLE_ATTEMPTS + 1):
        try:
            return aws.send(action.request)
        except AwsError as error:
            if error.code in action.done_if:
                return {}
            if attempt == _NEW_ROLE_ATTEMPTS or not _role_is_new(error):
                raise
            time.sleep(poll_seconds)
    raise AssertionError("unreachable")


def _role_is_new(error: AwsError) -> bool:
    return error.code == "ValidationException" and "assume the role" in str(error).lower()


def wait(action: Wait, aws: Aws, report: Report, registry: str = "", poll_seconds: float = _POLL_SECONDS) -> str:
    """Poll until the state is good; gives it.

    Raises:
        JobFailedError: in any other state, with the resource's own reason, after ``otherwise`` has been performed.
    """
    shown = ""
    while True:
        answer = describe(aws, action.request)
        state = str(answer[action.member]) if answer else ABSENT
        if state in action.good:
            return state
        if state not in action.passing:
            reason = answer.get("FailureReason", "no reason was given") if answer else "it is gone"
            perform(action.otherwise, aws, report, registry, poll_seconds)
            rolled_back = "; the last good configuration is back" if action.otherwise else ""
            raise JobFailedError(f"{action.says}: {state}: {reason}{rolled_back}")
        if state != shown:
            report(f"  {state}")
            shown = state
        time.sleep(poll_seconds)


def describe(aws: Aws, request: Request) -> dict[str, Any]:
    """What is known of a resource, empty where there is none."""
    return aws.read_or_none(request.service, request.operation, _ABSENT_CODES, **request.parameters) or {}
