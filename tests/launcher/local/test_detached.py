"""Processes that outlive the one that started them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.local.detached import DetachedProcess
from tests.launcher.local.stack_user import poll


def start(script: str, log: Path) -> DetachedProcess:
    return DetachedProcess.start([sys.executable, "-c", script], log, os.environ)


def test_a_process_runs_until_it_is_ended(tmp_path: Path) -> None:
    process = start("import time; time.sleep(600)", tmp_path / "log")
    assert process.is_alive()
    assert process.exit_code() is None
    process.end()
    assert not process.is_alive()


def test_a_process_that_is_ended_leaves_no_zombie(tmp_path: Path) -> None:
    process = start("import time; time.sleep(600)", tmp_path / "log")
    process.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = start(script, log)
    poll(lambda: log.read_text() == "deaf\n")
    process.end(seconds=0.2)
    assert not process.is_alive()


def test_a_process_that_ended_by_itself_has_an_exit_code(tmp_path: Path) -> None:
    process = start("raise SystemExit(3)", tmp_path / "log")
    poll(lambda: not process.is_alive())
    assert process.exit_code() == 3


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    script = "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')"
    process = start(script, log)
    poll(lambda: not process.is_alive())
    process.end()
    assert log.read_text() == "before\nout\nerr\n"


def test_a_number_with_another_start_time_is_another_process(tmp_path: Path) -> None:
    process = start("import time; time.sleep(600)", tmp_path / "log")
    earlier = DetachedProcess(process.pid, "1")
    assert not earlier.is_alive()
    earlier.end()
    assert process.is_alive()
    process.end()


def test_a_process_outlives_its_parent_which_ends_without_a_warning(
    tmp_path: Path,
) -> None:
    parent = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from launcher.local.detached import DetachedProcess\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = DetachedProcess.start(command, Path(sys.argv[1]), os.environ)\n"
        "print(child.pid, child.started)\n"
    )
    command = [sys.executable, "-W", "error", "-c", parent, str(tmp_path / "log")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    pid, started = ended.stdout.split()
    child = DetachedProcess(int(pid), started)
    assert child.is_alive()
    child.end()
    assert not child.is_alive()


def test_an_absent_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DetachedProcess.start(["no-such-command"], tmp_path / "log", os.environ)
