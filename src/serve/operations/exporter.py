"""The process that says what the workers count: on a port, as lines, or both.

It is apart from the workers, because any of them sees the counts of all. Process 1
forks it and replaces it like a worker.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable

from serve.app import Api
from serve.asgi import Receive, Scope
from serve.operations.emf import emf_line
from serve.operations.prometheus import MEDIA_TYPE, to_text
from serve.operations.report import Reporter
from serve.operations.stdout import write_lines
from serve.response import Response
from serve.server import bind, make_server
from serve.settings import OperationsSettings, ServeSettings


class MetricsApplication(Api):
    """Answers ``/metrics``, and nothing else."""

    def __init__(self, reporter: Reporter, settings: ServeSettings) -> None:
        super().__init__(settings)
        self._reporter = reporter
        self._routes = {"/metrics": {"GET": self._metrics, "HEAD": self._metrics}}

    async def _metrics(self, _scope: Scope, _receive: Receive) -> Response:
        return Response(200, to_text(self._reporter.now()), MEDIA_TYPE)


class Exporter:
    """Exports reports.

    Args:
        reporter: makes them.
        settings: where they go.
        write_lines: takes lines for CloudWatch.
    """

    def __init__(
        self,
        reporter: Reporter,
        settings: ServeSettings,
        write_lines: Callable[[bytes], None] = write_lines,
    ) -> None:
        self._reporter = reporter
        self._settings = settings
        self._write_lines = write_lines

    def run(self, bound: socket.socket, watch: int) -> None:
        """Export until process 1 ends, or this process is told to.

        Args:
            bound: as `bind_exporter` makes it.
            watch: as `serve.server.Server` takes it.
        """
        operations = self._settings.operations
        if operations.emf_s:
            threading.Thread(target=self._repeat, daemon=True).start()
        if operations.metrics_port:
            application = MetricsApplication(self._reporter, self._settings)
            make_server(application, watch).run(sockets=[bound])
        else:
            # No read: a worker's loop makes the pipe, which all share, non-blocking.
            select.select([watch], [], [])

    def write_line(self) -> None:
        """Write what was counted since the last line."""
        operations = self._settings.operations
        if operations.emf_s:
            milliseconds = time.time_ns() // 1_000_000
            report = self._reporter.since_last()
            self._write_lines(emf_line(report, operations.endpoint, milliseconds))

    def _repeat(self) -> None:
        while True:
            time.sleep(self._settings.operations.emf_s)
            self.write_line()


def bind_exporter(operations: OperationsSettings) -> socket.socket:
    """The socket of ``/metrics``; one that nobody can reach if only lines are written.

    Raises:
        OSError: if the port is in use or may not be used.
    """
    if not operations.metrics_port:
        return socket.socket(socket.AF_UNIX)
    (bound,) = bind(operations.metrics_port)
    return bound
