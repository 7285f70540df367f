"""What people see on a terminal: a pseudo-terminal, as a shell would give one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from launcher.terminal import with_states
from tests.launcher.conftest import Launcher


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """What the launcher writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {
        name: value for name, value in os.environ.items() if name != "NO_COLOR"
    }
    environment |= {"COLUMNS": "80", "TERM": "xterm", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "launcher", *arguments],
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # the other end has been closed
                break
            if not read:
                break
            shown += read
        process.wait(30)
    os.close(ours)
    return shown.decode()


def test_the_settings_fit_a_terminal() -> None:
    lines = on_a_terminal("config").replace("\r", "").splitlines()
    assert max(len(line) for line in lines) <= 80
    wide = on_a_terminal("config", COLUMNS="110").replace("\r", "").splitlines()
    assert max(len(line) for line in wide) <= 110
    # What is too long goes on below itself.
    place = [line.split()[0] for line in wide].index("training.max_wait_seconds")
    assert wide[place + 1].startswith(40 * " ")


def test_what_cleanup_does_now_replaces_what_it_did_before(launcher: Launcher) -> None:
    assert launcher("init").code == 0
    *_, table, first, second, end = on_a_terminal("cleanup", "--yes").split("\r\x1b[K")
    assert "repository" in table
    assert "delete the policy of role halfstar" in first
    assert "delete role halfstar" in second
    assert end == "3 deleted\r\n"


def test_an_error_is_red_unless_colours_are_unwanted() -> None:
    assert on_a_terminal("bogus").startswith("\x1b[31mlauncher:\x1b[0m ")
    assert on_a_terminal("bogus", NO_COLOR="1").startswith("launcher: ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  Failed", "a  \x1b[31mFailed\x1b[0m"),
        ("ok  docker", "\x1b[32mok\x1b[0m  docker"),
        ("token", "token"),
        ("not-ok", "not-ok"),
    ],
)
def test_words_for_states_have_colours(text: str, shown: str) -> None:
    assert with_states(text) == shown
