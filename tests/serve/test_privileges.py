"""Giving up root, in a process of its own; test_locked_down does it in containers.

Only root can become another user. Anybody else must remain who they are.
"""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """\
import os
from serve.privileges import User, become
changed = become(User(65534, 65533))
print(changed, os.getresuid(), os.getresgid(), os.getgroups())
"""


def become_nobody() -> str:
    """What a process is after it tried to become user 65534."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def same_as_now() -> str:
    return f"False {os.getresuid()} {os.getresgid()} {os.getgroups()}"


def test_root_becomes_the_user_for_good_and_leaves_its_groups() -> None:
    changed = f"True {(65534,) * 3} {(65533,) * 3} []"
    expected = changed if os.geteuid() == 0 else same_as_now()
    assert become_nobody() == expected
