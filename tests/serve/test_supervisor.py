"""The supervisor in a process of its own, over workers that misbehave."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

Run = Callable[[str], subprocess.Popen[str]]

SCRIPT = """
import os, signal, sys, time
from serve.server import bind
from serve.supervisor import Patience, Supervisor

def work(bound, watch):
    print("a worker is ready", flush=True)
    {work}

Supervisor(bind(0), work, Patience(kill_s=0.2)).run()
print("all workers have ended", flush=True)
"""


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a supervisor whose worker executes this line of Python."""
    started = []

    def start(work: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(work=work)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for_worker(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "a worker is ready\n"


def test_a_worker_that_ignores_the_end_is_killed(run: Run) -> None:
    process = run("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    wait_for_worker(process)
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert stdout == "all workers have ended\n"


def test_a_worker_that_fails_is_replaced_until_the_end_is_asked_for(run: Run) -> None:
    process = run("raise ValueError('a bug at start')")
    for _ in range(3):
        wait_for_worker(process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "a bug at start" in stderr
    assert "a worker ended with 1 after 0 s; another takes its place" in stderr


def test_a_worker_sees_that_the_supervisor_is_gone(run: Run) -> None:
    process = run("os.read(watch, 1); print('the pipe is closed', flush=True)")
    wait_for_worker(process)
    process.kill()
    stdout, _ = process.communicate(timeout=30)
    assert stdout == "the pipe is closed\n"


def test_what_is_left_at_the_desk_is_done_in_a_process_of_its_own() -> None:
    script = """
import os, signal, socket, time
from serve.server import bind
from serve.supervisor import Patience, Supervisor

ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ours.setblocking(False)

class Crash:
    def run(self):
        print("done in", os.getpid() != process_1, flush=True)
        os.abort()

    def ended(self, code):
        print("ended with", code, os.getpid() == process_1, flush=True)

class Desk:
    def fileno(self):
        return ours.fileno()

    def tasks(self):
        try:
            while ours.recv(10):
                yield Crash()
        except BlockingIOError:
            pass

process_1 = os.getpid()

def work(bound, watch):
    theirs.send(b"a task")
    time.sleep(60)

Supervisor(bind(0), work, Patience(kill_s=0.2), Desk()).run()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert lines == ["done in True\n", "ended with -6 True\n"]
