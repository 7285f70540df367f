"""Process 1, which starts the workers, replaces those that die and ends them all.

It doesn't answer requests itself. The model is loaded before the workers are forked, so
they share its memory and a new worker is there at once.

Each worker has a listening socket of its own on the same port. This process keeps all
of them open, so connections that wait for a worker that dies are taken by the next one.

Workers may have tasks that could end their process. They leave them at a `Desk`, and
each is run in a process of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from serve.limits import ClientLimits

Work = Callable[[socket.socket, int], None]

# SIGIO says that something was left at the desk.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGIO)
_ENDS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger("serve")


class Task(Protocol):
    """What is to be done in a process of its own."""

    def run(self) -> None:
        """Do it, in that process."""

    def ended(self, code: int | None) -> None:
        """Take note, in process 1, of how the process ended.

        Args:
            code: its exit code, below 0 for a signal; None if there was no process.
        """


class Desk(Protocol):
    """Where workers leave reports and tasks for process 1."""

    def fileno(self) -> int:
        """A socket that is readable when something is there."""

    def tasks(self) -> Iterable[Task]:
        """Read all that is there; gives the tasks."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits.

    Attributes:
        kill_s: seconds from SIGTERM until workers that are still there are killed. They
            get a little more than the time in which they finish requests, and less than
            the 30 s after which SageMaker kills this process.
        young_s: a worker that dies younger than this, in seconds, has failed at start.
        longest_pause_s: workers that fail at start are replaced after longer and longer
            pauses, up to this many seconds, so that they don't burn a processor.
    """

    kill_s: float = ClientLimits().drain_s + 2.5
    young_s: float = 1.0
    longest_pause_s: float = 5.0


class _Worker(NamedTuple):
    bound: socket.socket
    started: float


class _Ended(NamedTuple):
    """A worker that has ended.

    Attributes:
        bound: its socket.
        status: as `os.waitpid` returns it.
        age: how many seconds it lived.
    """

    bound: socket.socket
    status: int
    age: float


class Supervisor:
    """Runs ``work(socket, watch)`` in a process for each socket.

    ``watch`` is the reading end of a pipe. It is closed when this process ends, however
    it ends.

    Args:
        sockets: one for each worker.
        work: what a worker does.
        patience: how long to wait for what.
        desk: where workers leave reports and tasks; None if they have none.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        work: Work,
        patience: Patience = Patience(),
        desk: Desk | None = None,
    ) -> None:
        self._sockets = sockets
        self._work = work
        self._patience = patience
        self._desk = desk
        self._workers: dict[int, _Worker] = {}
        self._tasks: dict[int, Task] = {}
        self._watch, self._held_open = os.pipe()

    def run(self) -> None:
        """Return when SIGTERM or SIGINT has come and every worker has ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if self._desk is not None:
            _signal_input(self._desk.fileno())
            self._attend_desk()
        for bound in self._sockets:
            self._start(bound)
        self._replace_workers()
        self._end_all()

    def _replace_workers(self) -> None:
        """Replace workers that end, until a signal asks for the end."""
        n_failures = 0
        while signal.sigwait(_SIGNALS) not in _ENDS:
            all_ended = self._reap()
            # What a worker has reported last counts before another takes its place.
            self._attend_desk()
            for ended in all_ended:
                _log.warning(
                    "a worker ended %s after %.0f s; another takes its place",
                    _how_it_ended(ended.status),
                    ended.age,
                )
                is_young = ended.age < self._patience.young_s
                n_failures = n_failures + 1 if is_young else 0
                if n_failures > 1 and self._pause(0.1 * 2.0**n_failures):
                    return
                self._start(ended.bound)

    def _start(self, bound: socket.socket) -> None:
        """Fork a worker."""

        def work() -> None:
            for other in self._sockets:
                if other is not bound:
                    other.close()
            self._work(bound, self._watch)

        pid = os.fork()
        if pid == 0:
            self._be_a_child(work)
        else:
            self._workers[pid] = _Worker(bound, time.monotonic())

    def _attend_desk(self) -> None:
        """Read the reports, and fork a process for each task."""
        for task in self._desk.tasks() if self._desk is not None else ():
            self._start_task(task)

    def _start_task(self, task: Task) -> None:
        def work() -> None:
            for bound in self._sockets:
                bound.close()
            task.run()

        try:
            pid = os.fork()
        except OSError as error:
            _log.warning("can't start a process: %s", error.strerror)
            task.ended(None)
            return
        if pid == 0:
            self._be_a_child(work)
        else:
            self._tasks[pid] = task

    def _be_a_child(self, work: Callable[[], None]) -> None:
        """Work in the new process, which ends here."""
        status = 1
        try:
            os.close(self._held_open)
            for number in _ENDS:
                signal.signal(number, lambda *_: sys.exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            work()
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 the process ends, whatever it is
            _log.exception("a process failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> list[_Ended]:
        """The workers that have ended.

        As process 1 we also inherit orphans of other processes. They are reaped too.
        """
        ended = []
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                worker = self._workers.pop(pid, None)
                if worker is not None:
                    age = time.monotonic() - worker.started
                    ended.append(_Ended(worker.bound, status, age))
                task = self._tasks.pop(pid, None)
                if task is not None:
                    task.ended(os.waitstatus_to_exitcode(status))
        return ended

    def _pause(self, seconds: float) -> bool:
        """Wait before a worker is started again.

        Returns whether the end was asked for meanwhile.
        """
        seconds = min(seconds, self._patience.longest_pause_s)
        return signal.sigtimedwait(_ENDS, seconds) is not None

    def _end_all(self) -> None:
        """End the workers, by SIGKILL if SIGTERM doesn't do in time."""
        for bound in self._sockets:
            bound.close()
        _signal_all(self._workers, signal.SIGTERM)
        deadline = time.monotonic() + self._patience.kill_s
        while self._workers:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                break
            signal.sigtimedwait((signal.SIGCHLD, signal.SIGIO), seconds_left)
            self._reap()
            self._attend_desk()
        _signal_all(self._workers, signal.SIGKILL)
        _signal_all(self._tasks, signal.SIGKILL)


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _signal_input(number: int) -> None:
    """Have the kernel send SIGIO to this process when something can be read."""
    fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    fcntl.fcntl(number, fcntl.F_SETFL, flags | os.O_ASYNC)


def _how_it_ended(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"by signal {-code}" if code < 0 else f"with {code}"
