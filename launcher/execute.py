"""Performs a plan, one action after the other.

When an action fails, what was done before it stays. A plan is made from what there is,
so the same command, run again after a failure or Ctrl-C, plans the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

from launcher.aws import Aws
from launcher.errors import AwsError, JobFailedError
from launcher.images import push
from launcher.kinds import ABSENT
from launcher.requests import (
    Action,
    Call,
    PushImage,
    Wait,
    WriteFile,
    with_answers,
)


@dataclass(frozen=True, slots=True)
class Executor:
    """Performs actions.

    Attributes:
        aws: where calls go.
        report: called with each action in words, before it is performed.
        progress: called with the number of bytes that were just uploaded.
        registry: the registry's host, if it isn't ECR's own.
        poll_seconds: between two looks at something that is waited for.
        sleep: waits that many seconds.
        new_role_attempts: how often a call is sent while IAM doesn't know a new role
            everywhere, which can take some seconds.
    """

    aws: Aws
    report: Callable[[str], None]
    progress: Callable[[int], None] = lambda _: None
    registry: str = ""
    poll_seconds: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    new_role_attempts: int = 12

    def perform(self, plan: Sequence[Action]) -> list[dict[str, Any]]:
        """Perform every action in order, and return their answers.

        Raises:
            LauncherError: from the first action that fails.
        """
        answers: list[dict[str, Any]] = []
        by_operation: dict[str, dict[str, Any]] = {}
        for action in plan:
            if isinstance(action, Call):
                action = _with_answers(action, by_operation)
            answer = self._perform(action)
            answers.append(answer)
            if isinstance(action, Call):
                by_operation[action.request.operation] = answer
        return answers

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

        attempts = 1
        while True:
            try:
                return self.aws.send(action.request)
            except AwsError as error:
                is_done = (
                    (action.deletes and error.is_absent)
                    or (action.creates and error.is_present)
                    or error.code in action.done_if
                )
                if is_done:
                    return {}
                if attempts == self.new_role_attempts or not _role_is_new(error):
                    raise
            self.sleep(self.poll_seconds)
            attempts += 1

    def wait(self, action: Wait) -> str:
        """Poll until the resource is no longer under way, and return its state.

        Raises:
            JobFailedError: the state isn't good. The message has the resource's own
                reason; ``action.fallback`` has been performed by then.
        """
        reported = ""
        while True:
            described = self.aws.send_or_none(action.request)
            state = str(described[action.state_member]) if described else ABSENT
            if state not in action.under_way:
                break
            if state != reported:
                self.report(f"  {state}")
                reported = state
            self.sleep(self.poll_seconds)

        if described is None:
            reason = "it is gone"
        else:
            reason = described.get("FailureReason", "no reason was given")

        if state in action.good:
            if action.required is None or described is None:
                return state
            member, wanted = action.required
            if described.get(member) == wanted:
                return state
            raise JobFailedError(
                f"{action.says}: {reason}; {described[member]}, the last good one, "
                "is in service again"
            )

        if action.fallback:
            self.report(f"  {state}: {reason}")
            self.perform(action.fallback)
            reason += "; the last good configuration is in service again"
        raise JobFailedError(f"{action.says}: {state}: {reason}")


def _with_answers(call: Call, answers: Mapping[str, dict[str, Any]]) -> Call:
    parameters = with_answers(call.request.parameters, answers)
    return replace(call, request=replace(call.request, parameters=parameters))


def _role_is_new(error: AwsError) -> bool:
    refused = error.code == "ValidationException"
    return refused and "assume the role" in str(error).lower()
