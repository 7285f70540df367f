"""Watches the requests of one worker, and counts them or logs them.

A connection gives each request a tally when it begins, and shows it here when it is
over. Lines of the log are written ten times a second. A server without metrics has no
observer, so watching costs it nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from serve.asgi import Scope
from serve.operations.counters import Load, Slot
from serve.operations.stdout import write_lines
from serve.operations.tally import Tally


class Watched(Protocol):
    """What is watched: an application."""

    @property
    def queued(self) -> int:
        """Requests that wait for a thread, or for memory."""

    @property
    def n_models(self) -> int:
        """Models that are loaded."""


class Observer:
    """Watches an application.

    Args:
        application: answers the requests.
        slot: of this worker.
        write_lines: takes lines of the log.

    Attributes:
        begin: makes the tally of a request whose headers have come.
        over: records a request that is over, from its tally and its scope.
    """

    # The recorder's own methods, since these are called with each request.
    begin: Callable[[], Tally]
    over: Callable[[Tally, Scope], None]

    def __init__(
        self,
        application: Watched,
        slot: Slot,
        write_lines: Callable[[bytes], None] = write_lines,
    ) -> None:
        self._application = application
        self._slot = slot
        self._write_lines = write_lines
        self.begin = slot.recorder.begin
        self.over = slot.recorder.over

    def refused(self, status: int) -> None:
        """What a client has sent was refused before it became a request."""
        self._slot.refused(status)

    def flush(self) -> None:
        """Write the lines of the requests since the last time."""
        lines = self._slot.recorder.take_lines()
        if lines:
            self._write_lines(lines)

    def sample(self, in_progress: int, connections: int, arrived_bytes: int) -> None:
        """Take note of what the worker is busy with; called ten times a second."""
        load = Load(
            in_progress,
            self._application.queued,
            connections,
            arrived_bytes,
            self._application.n_models,
        )
        self._slot.set_load(load)
        self.flush()
