"""Processes that outlive the one that started them.

A stack runs until ``launcher local down``, which is often typed in another shell. A
`subprocess.Popen` would be the wrong thing to keep: it expects to be waited for, and
warns of a child that still runs when it is deleted. So a process is started without
one, and is known by its number and its start time, in this process and in any other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from launcher.local.errors import LocalError

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class DetachedProcess:
    """A process in a session of its own.

    Attributes:
        pid: its number, which the system may give to another process later.
        started: its start time as the system writes it, so that the two aren't taken
            for one another; empty if the process ended at once.
    """

    pid: int
    started: str

    @classmethod
    def start(
        cls, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> Self:
        """Start a command; what it prints is appended to ``log``.

        Raises:
            FileNotFoundError: if there is no such command.
        """
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            command[0],
            list(command),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o666),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            # Python ignores these itself, and a child would inherit that.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        return cls(pid, _start_time(pid))

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return bool(self.started) and _start_time(self.pid) == self.started

    def exit_code(self) -> int | None:
        """How it ended; None while it runs, or if another process started it.

        Asking also lets the system forget a child of ours that has ended.
        """
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status) if pid else None

    def end(self, seconds: float = 20.0) -> None:
        """Send SIGTERM, after ``seconds`` SIGKILL, and return when it is gone.

        Raises:
            LocalError: if it still runs ``seconds`` after SIGKILL.
        """
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + seconds
            while self.is_alive() and time.monotonic() < deadline:
                # Again and again: one that is busy ending its threads heeds the next.
                os.kill(self.pid, number)
                time.sleep(_POLL_SECONDS)
        if self.is_alive():
            raise LocalError(f"process {self.pid} doesn't end, not even by SIGKILL")
        self.exit_code()


def _start_time(pid: int) -> str:
    """When a process was started; empty if there is none, or if it is a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return ""
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
        return _start_time_by_ps(pid)
    # The command's name comes first, in parentheses, and may contain any character.
    state, *fields = status.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _start_time_by_ps(pid: int) -> str:
    """The same on a system without ``/proc``."""
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return shown.stdout.strip()
