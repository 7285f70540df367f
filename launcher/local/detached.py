"""Processes that outlive the one that started them.

A stack runs until ``launcher local down``, which is often typed in another shell. So a
process is known by its command line alone, in this process and in any other: whoever
was killed before it could write down a number leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.local.errors import LocalError

_POLL_SECONDS = 0.1
_PROC = Path("/proc")
# The number of a descriptor that a process holds.
_HELD = 3


@dataclass(frozen=True, slots=True)
class DetachedProcess:
    """A process in a session of its own.

    Attributes:
        command: its command line. The arguments must be those of no other process.
        log: gets what it prints.
    """

    command: tuple[str, ...]
    log: Path

    def start(self, environment: Mapping[str, str], held: int | None = None) -> int:
        """Start it; gives its number.

        Args:
            environment: of the process.
            held: a descriptor that it holds until it ends, such as a lock's.

        Raises:
            FileNotFoundError: if there is no such command.
        """
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        holding = [] if held is None else [(os.POSIX_SPAWN_DUP2, held, _HELD)]
        return os.posix_spawnp(
            self.command[0],
            list(self.command),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), append, 0o666),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *holding,
            ],
            setsid=True,
            # Python ignores these itself, and a child would inherit that.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )

    def pids(self) -> list[int]:
        """The numbers of the processes with this command line."""
        arguments = self.command[1:]
        return [
            pid
            for pid, command in _command_lines()
            if command[-len(arguments) :] == arguments
        ]

    def end(self, seconds: float = 20.0) -> None:
        """Send SIGTERM, after ``seconds`` SIGKILL, and return when it is gone, together
        with all that it started.

        Raises:
            LocalError: if it still runs ``seconds`` after SIGKILL.
        """
        groups = self.pids()
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + seconds
            while (pids := self.pids()) and time.monotonic() < deadline:
                # Again and again: one that is busy ending its threads heeds the next.
                for pid in pids:
                    _signal(os.kill, pid, number)
                time.sleep(_POLL_SECONDS)
        if self.pids():
            raise LocalError(f"{self.command} doesn't end, not even by SIGKILL")
        for group in groups:
            _signal(os.killpg, group, signal.SIGKILL)
            exit_code(group)


def exit_code(pid: int) -> int | None:
    """How a process ended; None while it runs, or if another process started it.

    Asking also lets the system forget a child of ours that has ended.
    """
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def _signal(send: object, pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(pid, number)  # type: ignore[operator]


def _command_lines() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number and command line of every process that runs; a zombie has none."""
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            text = (entry / "cmdline").read_bytes().decode(errors="replace")
            yield int(entry.name), tuple(text.split("\0")[:-1])
