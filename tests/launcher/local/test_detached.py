"""Processes that outlive the one that started them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from launcher.local.detached import DetachedProcess, exit_code
from tests.launcher.local.stack_user import poll

SLEEP = "import time; time.sleep(600)"


def process_of(script: str, log: Path) -> DetachedProcess:
    """A process whose last argument no other one has."""
    return DetachedProcess((sys.executable, "-c", script, uuid.uuid4().hex), log)


def test_a_process_runs_until_it_is_ended(tmp_path: Path) -> None:
    process = process_of(SLEEP, tmp_path / "log")
    pid = process.start(os.environ)
    # For a moment it has the command line of this one.
    poll(lambda: process.pids() == [pid])
    assert exit_code(pid) is None
    process.end()
    assert process.pids() == []


def test_a_process_that_is_ended_leaves_no_zombie(tmp_path: Path) -> None:
    process = process_of(SLEEP, tmp_path / "log")
    pid = process.start(os.environ)
    poll(lambda: process.pids() == [pid])
    process.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_a_process_that_ignores_sigterm_is_killed_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    child = process_of(SLEEP, log)
    script = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.Popen({list(child.command)!r})\n"
        "print('deaf', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = process_of(script, log)
    process.start(os.environ)
    poll(lambda: log.exists() and log.read_text() == "deaf\n")
    poll(lambda: len(child.pids()) == 1)
    process.end(seconds=0.2)
    assert process.pids() == []
    poll(lambda: child.pids() == [])


def test_a_process_that_ended_by_itself_has_an_exit_code(tmp_path: Path) -> None:
    pid = process_of("raise SystemExit(3)", tmp_path / "log").start(os.environ)
    codes: list[int | None] = []

    def has_ended() -> bool:
        codes.append(exit_code(pid))
        return codes[-1] is not None

    poll(has_ended)
    assert codes[-1] == 3


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    script = "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')"
    process_of(script, log).start(os.environ)
    poll(lambda: log.read_text() == "before\nout\nerr\n")


def test_a_process_is_known_by_its_arguments(tmp_path: Path) -> None:
    process = process_of(SLEEP, tmp_path / "log")
    other = process_of(SLEEP, tmp_path / "log")
    pid = process.start(os.environ)
    other.end()
    poll(lambda: process.pids() == [pid])
    process.end()


def test_a_process_outlives_its_parent_which_ends_without_a_warning(
    tmp_path: Path,
) -> None:
    child = process_of(SLEEP, tmp_path / "log")
    parent = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from launcher.local.detached import DetachedProcess\n"
        "DetachedProcess(tuple(sys.argv[2:]), Path(sys.argv[1])).start(os.environ)\n"
    )
    command = [sys.executable, "-W", "error", "-c", parent, str(child.log)]
    ended = subprocess.run(
        [*command, *child.command], capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    poll(lambda: len(child.pids()) == 1)
    child.end()
    assert child.pids() == []


def test_an_absent_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DetachedProcess(("no-such-command", "x"), tmp_path / "log").start(os.environ)
