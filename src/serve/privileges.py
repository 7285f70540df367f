"""Gives up root once the model is loaded and the port is bound.

A server then only reads requests and writes answers: the model is in its memory. So if
one of its libraries has a fault that a request can use, no process of root's is there
to be taken over.
"""

from __future__ import annotations

import logging
import os
from typing import NamedTuple

_log = logging.getLogger(__name__)


class User(NamedTuple):
    """A user and a group, by number; they needn't have a name on this system."""

    uid: int
    gid: int


def become(user: User) -> bool:
    """Become another user for good, if this process is root's and may.

    It remains root, and says so in the log, where it has no right to change.

    Returns whether the process has changed.
    """
    if os.geteuid() != 0:
        return False
    try:
        # The user comes last, because only root can change its groups. With the right
        # to change groups alone, only those change.
        os.setgroups([])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except PermissionError as error:
        _log.info("serving as root, which can't become user %d: %s", user.uid, error)
        return False
    _log.info("serving as user %d, group %d", user.uid, user.gid)
    return True
