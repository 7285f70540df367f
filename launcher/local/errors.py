"""What can go wrong here: the stack's own faults, refusals of a request, and jobs that
end badly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launcher.errors import LauncherError


class LocalError(LauncherError):
    """The services can't be started, ended or found; the message says why and what to
    do.
    """


class RefusedError(Exception):
    """A request that the service refuses.

    Attributes:
        code: the service's own code, such as ``ResourceInUse``.
        message: what the service says.
        status: the HTTP status.
        members: more members of the answer's body.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


class JobError(Exception):
    """A job or an endpoint fails; the message becomes its FailureReason."""


def invalid(message: str) -> RefusedError:
    """What most refusals are: a ValidationException."""
    return RefusedError("ValidationException", message)
