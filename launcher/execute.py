"""Performs a plan: one action after the other, each said as it is done; what was done
stays when a later one fails.

A plan is made from the state of the world, so after a failure or Ctrl-C the same
command plans what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from launcher.aws import Aws
from launcher.errors import AwsError, JobFailedError
from launcher.images import push
from launcher.requests import Action, Call, PushImage, Request, Wait, WriteFile

ABSENT = "absent"
# IAM answers before all of AWS knows: a role just made can be refused for some seconds.
_NEW_ROLE_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class Executor:
    """Performs actions.

    Attributes:
        aws: where calls go.
        report: is told each action in words, before it is performed.
        progress: is told numbers of uploaded bytes.
        registry: override of ECR's host.
        poll_seconds: between two looks at something that is waited for.
        sleep: how it passes that time.
    """

    aws: Aws
    report: Callable[[str], None]
    progress: Callable[[int], None] = lambda _: None
    registry: str = ""
    poll_seconds: float = 5.0
    sleep: Callable[[float], None] = time.sleep

    def perform(self, plan: Sequence[Action]) -> list[dict[str, Any]]:
        """Perform every action in order; gives their answers.

        Raises:
            LauncherError: of the first action that fails.
        """
        return [self._perform(action) for action in plan]

    def _perform(self, action: Action) -> dict[str, Any]:
        self.report(action.says)
        match action:
            case Call():
                return self._call(action)
            case WriteFile():
                action.path.write_text(action.text)
                return {}
            case PushImage():
                return {"digest": push(action, self.aws, self.registry)}
            case Wait():
                return {"state": self.wait(action)}
            case _:
                assert_never(action)

    def _call(self, action: Call) -> dict[str, Any]:
        if isinstance(action.request.parameters.get("Body"), Path):
            self.aws.upload(action.request, self.progress)
            return {}
        for remaining in reversed(range(_NEW_ROLE_ATTEMPTS)):
            try:
                return self.aws.send(action.request)
            except AwsError as error:
                if error.code in action.done_if or (action.deletes and error.is_absent):
                    return {}
                if not remaining or not _role_is_new(error):
                    raise
                self.sleep(self.poll_seconds)
        raise AssertionError("unreachable")

    def wait(self, action: Wait) -> str:
        """Poll until the state is good; gives it.

        Raises:
            JobFailedError: in any other state, with the resource's own reason, after
                ``otherwise`` has been performed.
        """
        answer, state, shown = {}, "", ""
        while state in ("", *action.passing):
            if state not in ("", shown):
                self.report(f"  {state}")
                shown = state
            if state:
                self.sleep(self.poll_seconds)
            answer = describe(self.aws, action.request)
            state = str(answer[action.member]) if answer else ABSENT
        member, wanted = action.also
        if state in action.good and (not member or answer.get(member) == wanted):
            return state
        reason = (
            answer.get("FailureReason", "no reason was given")
            if answer
            else "it is gone"
        )
        if state in action.good:
            raise JobFailedError(
                f"{action.says}: {reason}; {answer[member]}, the last good one, is in service again"
            )
        if action.otherwise:
            self.report(f"  {state}: {reason}")
            self.perform(action.otherwise)
            reason += "; the last good configuration is in service again"
        raise JobFailedError(f"{action.says}: {state}: {reason}")


def describe(aws: Aws, request: Request) -> dict[str, Any]:
    """What is known of a resource, empty where there is none."""
    return (
        aws.read_or_none(request.service, request.operation, **request.parameters) or {}
    )


def _role_is_new(error: AwsError) -> bool:
    return (
        error.code == "ValidationException" and "assume the role" in str(error).lower()
    )
