"""Errors that the launcher's user can do something about.

Each message is one line. It says what went wrong, in which call, and what to do.
"""

from __future__ import annotations


class LauncherError(Exception):
    """A command can't go on; ``exit_code`` becomes that of the process."""

    exit_code = 1


class ConfigError(LauncherError):
    """Settings that are unknown, malformed or missing; the message lists them all."""

    exit_code = 2


class InvalidRequestError(LauncherError):
    """A request that the service would refuse, found before it is sent.

    The message lists every fault.
    """

    exit_code = 2


class ForeignError(LauncherError):
    """Somebody else's resource has a name that we would use."""


class AwsError(LauncherError):
    """A call that AWS refused, or that didn't reach AWS.

    Attributes:
        code: the service's own code, such as ``AccessDenied``.
        is_absent: whether the service says that the resource doesn't exist.
        is_present: whether it says that the resource exists already.
    """

    def __init__(
        self,
        message: str,
        code: str = "",
        *,
        is_absent: bool = False,
        is_present: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.is_absent = is_absent
        self.is_present = is_present


class ImageError(LauncherError):
    """Docker or the registry didn't do what it was asked to."""


class JobFailedError(LauncherError):
    """A job or an endpoint ended badly; the message has SageMaker's own reason."""

    exit_code = 3
