"""Process 1: loads nothing, answers nothing, but keeps the workers alive and ends them
well.

The model is loaded before the workers are forked, so that they share its memory and a
new one is there at once. Each worker has a listening socket of its own on the same
port, which stays open here: connections that wait for a worker that dies are taken by
its successor.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from serve.server import DRAIN_S

Work = Callable[[socket.socket, int], None]

# Workers have DRAIN_S; SageMaker kills this process 30 s after SIGTERM.
KILL_S = DRAIN_S + 2.5
# A worker that dies younger than this is replaced later and later, so that a fault at
# start doesn't burn a processor.
YOUNG_S = 1.0
LONGEST_PAUSE_S = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

_log = logging.getLogger("serve")


class Supervisor:
    """Runs ``work(socket, watch)`` in a process for each socket; ``watch`` ends (reads
    as empty) when we are gone.
    """

    def __init__(self, sockets: list[socket.socket], work: Work) -> None:
        self._sockets = sockets
        self._work = work
        self._alive: dict[int, tuple[socket.socket, float]] = {}
        self._failures = 0
        self._watch, self._held = os.pipe()

    def run(self) -> None:
        """Return once a signal has asked for the end and every worker has ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for bound in self._sockets:
            self._start(bound)
        while signal.sigwait(_SIGNALS) == signal.SIGCHLD:
            for bound, status, age in self._reap():
                _log.warning(
                    "a worker ended %s after %.0f s; another takes its place",
                    _how(status),
                    age,
                )
                self._failures = self._failures + 1 if age < YOUNG_S else 0
                if self._failures > 1 and self._pause(
                    min(0.1 * 2.0**self._failures, LONGEST_PAUSE_S)
                ):
                    return self._end()
                self._start(bound)
        return self._end()

    def _start(self, bound: socket.socket) -> None:
        pid = os.fork()
        if pid:
            self._alive[pid] = bound, time.monotonic()
            return
        status = 1
        try:
            os.close(self._held)
            for other in self._sockets:
                if other is not bound:
                    other.close()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: sys.exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._work(bound, self._watch)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 the end of this process, whatever it is
            _log.exception("a worker failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> list[tuple[socket.socket, int, float]]:
        """What ended: its socket, exit status as `os.waitpid` has it, and age. Orphans
        of others are reaped as well.
        """
        ended = []
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                if pid in self._alive:
                    bound, began = self._alive.pop(pid)
                    ended.append((bound, status, time.monotonic() - began))
        return ended

    def _pause(self, seconds: float) -> bool:
        """Wait before a restart; whether the end was asked for meanwhile."""
        return signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), seconds) is not None

    def _end(self) -> None:
        for bound in self._sockets:
            bound.close()
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + KILL_S
        while self._alive and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait((signal.SIGCHLD,), left)
            self._reap()
        self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"by signal {-code}" if code < 0 else f"with {code}"
