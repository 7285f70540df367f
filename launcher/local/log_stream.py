"""Streams of CloudWatch Logs."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import Any

from launcher.local.service_clients import ServiceClients

_BATCH_SECONDS = 0.2
# CloudWatch's own limits.
_BATCH_EVENTS = 1000
_EVENT_CHARACTERS = 100_000


class LogStream(threading.Thread):
    """One stream, written in batches by a thread of its own, so that no container
    waits for it.

    The group and the stream are made if they aren't there; the thread starts at once.
    """

    def __init__(self, clients: ServiceClients, group: str, stream: str) -> None:
        super().__init__(daemon=True, name=f"logs-{stream}")
        self._logs = clients.client("logs")
        self._names = {"logGroupName": group, "logStreamName": stream}
        # None is the end.
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

        exists = self._logs.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._logs.create_log_group(logGroupName=group)
        with contextlib.suppress(exists):
            self._logs.create_log_stream(**self._names)
        self.start()

    def write(self, line: str) -> None:
        """Add a line; CloudWatch takes no empty ones."""
        if not line.strip():
            return
        milliseconds = int(time.time() * 1000)
        message = line[:_EVENT_CHARACTERS]
        self._events.put({"timestamp": milliseconds, "message": message})

    def close(self) -> None:
        """Send what is left, then return."""
        self._events.put(None)
        self.join()

    def run(self) -> None:
        """Send batch after batch until the stream is closed."""
        is_closed = False
        while not is_closed:
            events = [self._events.get()]
            time.sleep(_BATCH_SECONDS)
            while len(events) < _BATCH_EVENTS and not self._events.empty():
                events.append(self._events.get())

            is_closed = events[-1] is None
            batch = [event for event in events if event is not None]
            if batch:
                self._logs.put_log_events(**self._names, logEvents=batch)
