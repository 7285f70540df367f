"""Watches the requests of one worker, and counts them or logs them.

It is an ASGI application around another, to which the server says when a request is
over. A server without metrics has none, so watching costs it nothing. A request that is
over is put aside. Ten times a second those that were put aside are counted together,
which takes less than counting each by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Protocol

from serve.asgi import REFUSED, TALLY, Receive, Scope, Send
from serve.operations.counters import INVOCATIONS, OTHER, ROUTES, Load, Slot
from serve.operations.request_log import RequestLog, is_worth_a_line
from serve.operations.stdout import write_lines
from serve.operations.tally import Tally, settle

_ROUTE_OF = {f"/{route}": route for route in ROUTES if route != OTHER}
_MODELS = "/models/"
_INVOKE = "/invoke"
# So many requests at most are put aside.
_MOST_ASIDE = 1000


class Watched(Protocol):
    """What is watched: an ASGI application."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a request."""

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
        log: makes a line of each request; None if they aren't logged.
        write_lines: takes such lines.
    """

    def __init__(
        self,
        application: Watched,
        slot: Slot,
        log: RequestLog | None,
        write_lines: Callable[[list[bytes]], None] = write_lines,
    ) -> None:
        self._application = application
        self._slot = slot
        self._log = log
        self._write_lines = write_lines
        self._aside: list[Tally] = []
        self._lines: list[bytes] = []

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on a request, with a tally of it."""
        if scope["type"] == "http":
            scope[TALLY] = Tally.begin(perf_counter())
        return self._application(scope, receive, send)

    def over(self, scope: Scope) -> None:
        """A request is over: put it aside."""
        tally: Tally = scope[TALLY]
        tally.ended = perf_counter()
        if REFUSED in scope:
            # The server has answered in the application's place.
            tally.status = scope[REFUSED]
        tally.path = scope["path"]
        if self._log is not None:
            tally.scope = scope
        self._aside.append(tally)
        if len(self._aside) >= _MOST_ASIDE:
            self._count()

    def refused(self, status: int) -> None:
        """What a client has sent was refused before it became a request."""
        self._slot.refused(status)

    def flush(self) -> None:
        """Count the requests that were put aside, and write their lines."""
        self._count()
        if self._lines:
            lines = self._lines
            self._lines = []
            self._write_lines(lines)

    def _count(self) -> None:
        tallies = self._aside
        self._aside = []
        settle(tallies)
        for tally in tallies:
            route = _ROUTE_OF.get(tally.path) or other_route(tally.path)
            self._slot.count(route, tally)
            scope = tally.scope
            if self._log is None or scope is None:
                continue
            if is_worth_a_line(route, tally):
                self._lines.append(self._log.line(scope, route, tally))

    def sample(self, in_progress: int, connections: int, arrived_bytes: int) -> None:
        """Take note of what the worker is busy with; called ten times a second."""
        self.flush()
        load = Load(
            in_progress,
            self._application.queued,
            connections,
            arrived_bytes,
            self._application.n_models,
        )
        self._slot.set_load(load)


def other_route(path: str) -> str:
    """The one of `ROUTES` to which a path belongs that isn't a route itself.

    Example:
        >>> other_route("/models/a/invoke")
        'invocations'
        >>> other_route("/models/a")
        'models'
        >>> other_route("/favicon.ico")
        'other'
    """
    if not path.startswith(_MODELS):
        return OTHER
    return INVOCATIONS if path.endswith(_INVOKE) else "models"
