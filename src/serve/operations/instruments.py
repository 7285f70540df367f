"""What a server is equipped with if its requests are to be counted or logged.

Process 1 makes it before it forks the workers.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from serve.operations.counters import PING, Board
from serve.operations.exporter import Exporter, bind_exporter
from serve.operations.observer import Observer, Watched
from serve.operations.report import Reporter
from serve.operations.request_log import request_log
from serve.settings import ServeSettings


class Instruments:
    """Counters, and the process that exports them.

    Args:
        settings: of the server.
        n_workers: how many processes answer.
        model: as in `serve.operations.report.Report`.

    Attributes:
        bound: the socket of the exporter; None if there is none.

    Raises:
        OSError: if the port of the metrics is in use or may not be used.
    """

    def __init__(
        self, settings: ServeSettings, n_workers: int, model: Mapping[str, str]
    ) -> None:
        self._operations = settings.operations
        self._board = Board(n_workers)
        self._exporter = Exporter(Reporter(self._board, model), settings)
        self.bound: socket.socket | None = None
        if self._operations.is_exported:
            self.bound = bind_exporter(self._operations)

    def observer(self, application: Watched, worker: int) -> Observer:
        """Watches the application of a worker, from 0; called in its process."""
        log = request_log(PING) if self._operations.request_log else None
        slot = self._board.slot(worker, log)
        slot.begin(os.getpid())
        return Observer(application, slot)

    def export(self, bound: socket.socket, watch: int) -> None:
        """Export until process 1 ends."""
        self._exporter.run(bound, watch)

    def close(self) -> None:
        """Report what was counted last; the workers have ended."""
        self._exporter.write_line()
