"""A container that serves a model: started, asked for its health, asked for
predictions, and started anew when it ends by itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from urllib3 import BaseHTTPResponse, HTTPConnectionPool
from urllib3.exceptions import HTTPError

from launcher.local.errors import FailureReasonError
from launcher.local.log_stream import LogStream
from launcher.local.stack_parts import StackParts
from launcher.ports import LOOPBACK

_CONTAINER_PORT = 8080
_PING_SECONDS = 2.0
_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What a container is asked.

    Attributes:
        seconds: how long a reply may take.
        body: of the request.
        headers: of the request.
        is_streamed: whether a reply is given before its body is there.
    """

    seconds: float
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_streamed: bool = False


class ServingContainer:
    """One container, and those that replace it.

    Args:
        parts: of the stack.
        image: by the engine's name.
        options: of ``docker run``.
        stream: where its log goes; `stop` closes it.
        is_isolated: whether it has a network of its own, which leads nowhere.
    """

    def __init__(
        self,
        parts: StackParts,
        image: str,
        options: Sequence[str],
        stream: LogStream,
        *,
        is_isolated: bool,
    ) -> None:
        self._engine = parts.engine
        self._limits = parts.settings.limits
        self._image = image
        self._stream = stream
        self._container = ""
        self._address = (LOOPBACK, 0)
        self._networks = contextlib.ExitStack()
        self._network = ""
        reached_by = ["--publish", f"{LOOPBACK}::{_CONTAINER_PORT}"]
        if is_isolated:
            self._network = f"halfstar-{parts.settings.identity}-{uuid.uuid4().hex[:8]}"
            network = self._engine.network(self._network, is_isolated=True)
            self._networks.enter_context(network)
            reached_by = ["--network", self._network]
        self._options = [*options, *reached_by]
        self._stopped = threading.Event()
        self._restarter: threading.Thread | None = None

    def start(self) -> None:
        """Start it, and return once ``/ping`` answers 200.

        Raises:
            FailureReasonError: if it can't be started, ends, or takes too long.
        """
        self._run()
        deadline = time.monotonic() + self._limits.health_seconds
        while not self._is_healthy():
            if not self._engine.is_running(self._container):
                raise FailureReasonError(
                    "the container ended before it answered a ping"
                )
            if time.monotonic() > deadline:
                raise FailureReasonError("no ping was answered with 200 in time")
            time.sleep(_POLL_SECONDS)
        self._restarter = threading.Thread(
            target=self._keep_running, daemon=True, name="serving"
        )
        self._restarter.start()

    def stop(self) -> None:
        """End and remove it."""
        self._stopped.set()
        self._engine.stop(self._container, self._limits.hosting_stop_seconds)
        if self._restarter is not None:
            self._restarter.join()
        self._engine.remove(self._container)
        self._networks.close()
        self._stream.close()

    def ask(
        self, path: str, question: Question, method: str = "POST"
    ) -> BaseHTTPResponse:
        """Ask the container.

        Raises:
            urllib3.exceptions.ReadTimeoutError: if it doesn't reply in time.
            urllib3.exceptions.HTTPError: if there is no connection.
        """
        seconds = question.seconds
        with HTTPConnectionPool(*self._address, timeout=seconds, retries=False) as pool:
            return pool.urlopen(
                method,
                path,
                question.body or None,
                question.headers,
                preload_content=not question.is_streamed,
            )

    def _is_healthy(self) -> bool:
        try:
            reply = self.ask("/ping", Question(_PING_SECONDS), "GET")
        except HTTPError:
            return False
        return reply.status == HTTPStatus.OK

    def _run(self) -> None:
        self._container = self._engine.start(self._image, ["serve"], self._options)
        self._log_follower = threading.Thread(target=self._follow_log, daemon=True)
        self._log_follower.start()
        if self._network:
            address = self._engine.address(self._container)
            self._address = (address, _CONTAINER_PORT)
        else:
            port = self._engine.port(self._container, _CONTAINER_PORT)
            self._address = (LOOPBACK, port)

    def _follow_log(self) -> None:
        for line in self._engine.lines(self._container):
            self._stream.write(line)

    def _keep_running(self) -> None:
        """Replace a container that ends by itself, as often as it takes."""
        while True:
            # The log ends with its container.
            self._log_follower.join()
            if self._stopped.wait(_RESTART_SECONDS):
                return
            self._engine.remove(self._container)
            with contextlib.suppress(FailureReasonError):
                self._run()
