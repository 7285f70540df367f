"""The actions of a plan, as data: planners make them, ``--dry-run`` prints them, the
executor performs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher.redaction import without_secrets


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an AWS API.

    Attributes:
        service: botocore's name of the service, such as ``sagemaker``.
        operation: the API's name of the operation, such as ``CreateTrainingJob``.
        parameters: as the API takes them, except that a `Path` means the bytes of that
            file.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The request as JSON values, to be shown.

        A file's content is shown as its path, a secret variable as ``***``.
        """
        return {
            "service": self.service,
            "operation": self.operation,
            "parameters": _plain(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class AnswerOf:
    """A value that the service gives in its answer to an earlier call of the plan.

    Attributes:
        operation: of that call.
        member: of its answer.
    """

    operation: str
    member: str


def with_answers(value: Any, answers: Mapping[str, Mapping[str, Any]]) -> Any:
    """Parameters with the values that earlier calls were answered with.

    Args:
        value: the parameters, or a part of them.
        answers: the latest answer of each operation.
    """
    if isinstance(value, AnswerOf):
        return answers[value.operation][value.member]
    if isinstance(value, Mapping):
        return {name: with_answers(item, answers) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_answers(item, answers) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Call:
    """Send a request.

    Attributes:
        says: what the call does, for people.
        request: what is sent.
        done_if: error codes which mean that nothing was left to do.
        deletes: whether the call deletes something. If so, nothing was left to do when
            the resource is absent.
        creates: whether the call creates something that is known by its name. If so,
            nothing was left to do when it exists: somebody ran the same command.
    """

    says: str
    request: Request
    done_if: tuple[str, ...] = ()
    deletes: bool = False
    creates: bool = False

    def to_json(self) -> dict[str, Any]:
        """For ``--dry-run``."""
        return {"says": self.says, **self.request.to_json()}


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a local file."""

    says: str
    path: Path
    text: str

    def to_json(self) -> dict[str, Any]:
        """For ``--dry-run``."""
        return {"says": self.says, "write": str(self.path), "text": self.text}


@dataclass(frozen=True, slots=True)
class PushImage:
    """Push a local image to one repository, under several tags."""

    says: str
    image_id: str
    repository_uri: str
    tags: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For ``--dry-run``."""
        return {
            "says": self.says,
            "push": self.image_id,
            "to": [f"{self.repository_uri}:{tag}" for tag in self.tags],
        }


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait while a resource is under way, and fail unless it ends in a good state.

    Attributes:
        says: what is waited for, for people.
        request: describes the resource.
        state_member: the member of the description that has the state.
        under_way: states that end by themselves.
        good: states to go on from; `launcher.kinds.ABSENT` means that the resource is
            gone.
        required: another member of the description, and the value that it must have.
            After a failed update, an endpoint is in service again but has the old
            configuration.
        fallback: performed when the state is neither under way nor good, before the
            command fails.
    """

    says: str
    request: Request
    state_member: str
    under_way: tuple[str, ...]
    good: tuple[str, ...]
    required: tuple[str, str] | None = None
    fallback: tuple[Action, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For ``--dry-run``."""
        described = {
            "says": self.says,
            "wait_for": list(self.good),
            **self.request.to_json(),
        }
        if self.fallback:
            described["otherwise"] = [action.to_json() for action in self.fallback]
        return described


Action = Call | WriteFile | PushImage | Wait


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        shown = {name: _plain(item) for name, item in value.items()}
        if isinstance(shown.get("Environment"), dict):
            shown["Environment"] = without_secrets(shown["Environment"])
        return shown
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, AnswerOf):
        return f"{value.member} of {value.operation}"
    if isinstance(value, Path):
        return f"file://{value}"
    return value
