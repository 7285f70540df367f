"""Every fault that the launcher's user can mend: one line that says what happened,
which call, and what to do.
"""

from __future__ import annotations


class LauncherError(Exception):
    """A command can't go on. The message is one line; ``exit_code`` is the process's."""

    exit_code = 1


class ConfigError(LauncherError):
    """Settings that are unknown, malformed or missing; the message lists all of them."""

    exit_code = 2


class InvalidRequestError(LauncherError):
    """A request that the service would refuse, found before it is sent; the message
    lists every fault.
    """

    exit_code = 2


class ForeignError(LauncherError):
    """Something that isn't ours has a name that we would use."""


class AwsError(LauncherError):
    """A call that AWS refused or that didn't get through.

    Attributes:
        code: the service's own code, such as ``AccessDenied``.
        is_absent: whether it says that there is no such thing.
    """

    def __init__(
        self, message: str, code: str = "", *, is_absent: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.is_absent = is_absent


class ImageError(LauncherError):
    """Docker or the registry didn't do what was asked."""


class JobFailedError(LauncherError):
    """A job, endpoint or transform that ended badly; the message has its own reason."""

    exit_code = 3
