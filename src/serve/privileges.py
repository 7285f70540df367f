"""Gives up root once the model is loaded and the port is bound.

A server then only reads requests and writes answers. So if one of its libraries has a
fault that a request can use, no process of root's is there to be taken over.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)


class User(NamedTuple):
    """A user and a group, by number; they needn't have a name on this system."""

    uid: int
    gid: int


def become(user: User, model_dir: Path) -> bool:
    """Become another user for good, if this process is root's and may.

    It remains root where it has no right to change, and where the user can't read the
    model: contributions are made by XGBoost, which reads its file when it is first
    asked for them.

    Returns whether the process has changed.
    """
    if os.geteuid() != 0:
        return False
    groups = os.getgroups()
    try:
        os.setgroups([])
        os.setegid(user.gid)
        os.seteuid(user.uid)
    except PermissionError as error:
        _return_to_root(groups)
        _log.info("serving as root, which can't become user %d: %s", user.uid, error)
        return False

    unreadable = _unreadable(model_dir)
    # Only root can change the real and the saved user.
    _return_to_root(groups)
    if unreadable is not None:
        _log.warning(
            "serving as root, because user %d can't read %s", user.uid, unreadable
        )
        return False

    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    _log.info("serving as user %d, group %d", user.uid, user.gid)
    return True


def _return_to_root(groups: list[int]) -> None:
    """Be root again, whose real user this process has kept."""
    os.seteuid(0)
    os.setegid(0)
    # Without the right to change them, they haven't changed.
    with contextlib.suppress(PermissionError):
        os.setgroups(groups)


def _unreadable(folder: Path) -> Path | None:
    """A file of a folder that this process can't read, if there is one."""
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        return folder
    for path in sorted(folder.iterdir()):
        if not os.access(path, os.R_OK, effective_ids=True):
            return path
    return None
