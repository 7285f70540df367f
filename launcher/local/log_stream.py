"""Streams of CloudWatch Logs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

from launcher.local.service_clients import ServiceClients

Entry = TypeVar("Entry")
_BATCH_SECONDS = 0.2
# CloudWatch's own limits.
_BATCH_EVENTS = 1000
_EVENT_CHARACTERS = 100_000


def batches(
    queue: SimpleQueue[Entry | None], seconds: float, most: int
) -> Iterator[list[Entry]]:
    """The entries of a queue in batches, each gathered for some seconds, until None."""
    is_ended = False
    while not is_ended:
        found = [queue.get()]
        time.sleep(seconds)
        while len(found) < most and not queue.empty():
            found.append(queue.get())
        is_ended = found[-1] is None
        batch = [entry for entry in found if entry is not None]
        if batch:
            yield batch


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
        self._events: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

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
        for batch in batches(self._events, _BATCH_SECONDS, _BATCH_EVENTS):
            self._logs.put_log_events(**self._names, logEvents=batch)
