"""Giving up root, in a process of its own; test_locked_down does it in containers.

Only root can become another user. Anybody else must remain who they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = """\
import os, sys
from pathlib import Path
from serve.privileges import User, become
changed = become(User(65534, 65533), Path(sys.argv[1]))
print(changed, os.getresuid(), os.getresgid(), os.getgroups())
"""


def become_nobody(model_dir: Path) -> str:
    """What a process is after it tried to become user 65534."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(model_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def same_as_now() -> str:
    return f"False {os.getresuid()} {os.getresgid()} {os.getgroups()}"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A model's directory that everybody can reach and read, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "manifest.json").write_text("{}")
        (folder / "manifest.json").chmod(0o644)
        yield folder


def test_root_becomes_the_user_for_good_and_leaves_its_groups(shared: Path) -> None:
    changed = f"True {(65534,) * 3} {(65533,) * 3} []"
    expected = changed if os.geteuid() == 0 else same_as_now()
    assert become_nobody(shared) == expected


@pytest.mark.parametrize("name", [".", "manifest.json"])
def test_root_remains_root_if_the_user_could_not_read_the_model(
    shared: Path, name: str
) -> None:
    (shared / name).chmod(0o700)
    assert become_nobody(shared) == same_as_now()
