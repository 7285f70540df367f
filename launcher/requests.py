"""What the launcher intends to do, as data: planners emit it, ``--dry-run`` prints it,
the executor performs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an AWS API.

    Attributes:
        service: botocore's name, such as ``sagemaker``.
        operation: the API's name, such as ``CreateTrainingJob``.
        parameters: as the API takes them. A `Path` stands for the bytes of that file.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values; the content of a file is shown as its path."""
        return {
            "service": self.service,
            "operation": self.operation,
            "parameters": _plain(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class Call:
    """Send a request.

    Attributes:
        says: what it does, for people.
        request: what is sent.
        done_if: error codes that mean that it has been done already.
        deletes: whether an answer that there is no such thing means the same.
    """

    says: str
    request: Request
    done_if: tuple[str, ...] = ()
    deletes: bool = False

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
    """Push a local image under one repository and several tags."""

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
    """Wait until a resource has reached a state that is neither passing nor wrong.

    Attributes:
        request: describes the resource.
        member: of its answer, the state.
        passing: states that end by themselves.
        good: states to go on from; ``absent`` stands for the resource's end.
        otherwise: performed when the state is neither, before the command fails.
        also: a member and the value that it must have besides, or two empty strings. An
            endpoint whose update failed is in service again, with the old
            configuration.
    """

    says: str
    request: Request
    member: str
    passing: tuple[str, ...]
    good: tuple[str, ...]
    otherwise: tuple[Action, ...] = ()
    also: tuple[str, str] = ("", "")

    def to_json(self) -> dict[str, Any]:
        """For ``--dry-run``."""
        described = {
            "says": self.says,
            "wait_for": list(self.good),
            **self.request.to_json(),
        }
        return described | (
            {"otherwise": [a.to_json() for a in self.otherwise]}
            if self.otherwise
            else {}
        )


Action = Call | WriteFile | PushImage | Wait


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return f"file://{value}" if isinstance(value, Path) else value
