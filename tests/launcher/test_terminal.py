"""What people see on a terminal: a pseudo-terminal, as a shell would give one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from launcher.terminal import with_states
from tests.launcher.commands.conftest import IMAGE
from tests.launcher.conftest import AwsServer, Launcher


def on_a_terminal(*arguments: str, answer: str = "", **variables: str) -> str:
    """What the launcher writes to a terminal of 80 columns.

    Args:
        *arguments: of the launcher.
        answer: what is typed when it asks; empty where nobody types.
        **variables: of its environment.
    """
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    environment = {
        name: value for name, value in os.environ.items() if name != "NO_COLOR"
    }
    environment |= {"COLUMNS": "80", "TERM": "xterm", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "launcher", *arguments],
        stdin=theirs if answer else subprocess.DEVNULL,
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


@pytest.mark.usefixtures("prepared")
def test_a_search_is_asked_for_on_a_terminal(aws: AwsServer) -> None:
    shown = on_a_terminal(*IMAGE, "tune", answer="n\n")
    assert "at most 20.0 instance hours: 20 training jobs" in shown
    assert "start it? [y/N] " in shown
    assert shown.endswith("nothing was changed\r\n")
    jobs = aws.client("sagemaker").list_hyper_parameter_tuning_jobs()
    assert jobs["HyperParameterTuningJobSummaries"] == []
    assert "start it?" not in on_a_terminal(*IMAGE, "tune", "--yes", "--detach")


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
