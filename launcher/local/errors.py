"""What can go wrong: faults of the stack itself, requests that are refused, and jobs
and endpoints that fail.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from launcher.errors import LauncherError

# SageMaker's own limit of a FailureReason.
REASON_CHARACTERS = 1024

_log = logging.getLogger(__name__)


class LocalError(LauncherError):
    """The stack can't be started, ended or found; the message says what to do."""


@dataclass(eq=False)
class RefusedError(Exception):
    """A request that the service refuses.

    Attributes:
        code: the service's own code, such as ``ResourceInUse``.
        message: what the service says.
        status: the HTTP status.
        members: further members of the response's body.
    """

    code: str
    message: str
    status: int = 400
    members: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


class FailureReasonError(Exception):
    """A job or an endpoint fails; the message becomes its FailureReason."""


@contextlib.contextmanager
def failing(reason: str, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of some kinds within the block become a FailureReason.

    Args:
        reason: comes before the error's own words.
        kinds: of errors.
    """
    try:
        yield
    except kinds as error:
        # An OSError's words, without its number and the path on this machine.
        words = getattr(error, "strerror", None) or error
        # An AWS error's words, without the name of the operation.
        response = getattr(error, "response", None)
        if response is not None:
            words = response["Error"]["Message"]
        raise FailureReasonError(f"{reason}: {words}") from error


def reason_of(error: Exception) -> str:
    """The FailureReason of a job or an endpoint that an error has ended; what isn't a
    FailureReasonError is a bug, and logged.
    """
    if isinstance(error, FailureReasonError):
        return str(error)[:REASON_CHARACTERS]
    _log.error("this is a bug", exc_info=error)
    return f"InternalServerError: {type(error).__name__}: {error}"


def unusable(message: str) -> RefusedError:
    """A ValidationError, which is what most refusals of the runtime are."""
    return RefusedError("ValidationError", message)


def invalid(message: str) -> RefusedError:
    """A ValidationException, which is what most refusals are."""
    return RefusedError("ValidationException", message)
