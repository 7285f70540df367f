"""A container that serves a model: started, asked for its health, asked for
predictions, and started anew when it ends by itself.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from launcher.local.errors import FailureReasonError
from launcher.local.log_stream import LogStream
from launcher.local.stack_parts import StackParts
from launcher.ports import LOOPBACK

_CONTAINER_PORT = 8080
_PING_SECONDS = 2.0
_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0
_PART_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What a container replied over HTTP.

    Attributes:
        status: of HTTP.
        headers: of HTTP.
        body: whole, or empty if the reply is streamed.
        stream: the parts of the body as they come, if the reply is streamed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: Iterator[bytes] | None = None

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode(errors="replace")


class UnavailableError(Exception):
    """The container doesn't accept or keep a connection at the moment."""


class SlowError(Exception):
    """The container didn't reply in time."""


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
        is_isolated: bool = False,
    ) -> None:
        self._engine = parts.engine
        self._limits = parts.settings.limits
        self._image = image
        self._options = list(options)
        self._stream = stream
        self._container = ""
        self._address = (LOOPBACK, 0)
        self._networks = contextlib.ExitStack()
        self._network = ""
        if is_isolated:
            self._network = f"halfstar-{parts.settings.identity}-{uuid.uuid4().hex[:8]}"
            network = self._engine.network(self._network, is_isolated=True)
            self._networks.enter_context(network)
            self._options += ["--network", self._network]
        else:
            self._options += ["--publish", f"{LOOPBACK}::{_CONTAINER_PORT}"]
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
            if time.monotonic() > deadline or self._stopped.is_set():
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

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
        is_streamed: bool = False,
    ) -> Reply:
        """Ask the container.

        Args:
            method: of HTTP.
            path: such as ``/invocations``.
            body: of the request.
            headers: of the request.
            seconds: how long a reply may take.
            is_streamed: whether a good reply is given before its body is there.

        Raises:
            UnavailableError: if there is no connection.
            SlowError: if it doesn't reply in time.
        """
        host, port = self._address
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        stream = None
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            response_headers = dict(response.headers.items())
            if is_streamed and response.status == HTTPStatus.OK:
                stream = _parts(connection, response)
                return Reply(response.status, response_headers, b"", stream)
            return Reply(response.status, response_headers, response.read())
        except TimeoutError as error:
            raise SlowError from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError from error
        finally:
            if stream is None:
                connection.close()

    def _is_healthy(self) -> bool:
        try:
            reply = self.request("GET", "/ping", seconds=_PING_SECONDS)
        except (UnavailableError, SlowError):
            return False
        return reply.status == HTTPStatus.OK

    def _run(self) -> None:
        self._container = self._engine.start(self._image, ["serve"], self._options)
        self._log_follower = threading.Thread(
            target=self._follow_log, args=[self._container], daemon=True
        )
        self._log_follower.start()
        if self._network:
            address = self._engine.address(self._container)
            self._address = (address, _CONTAINER_PORT)
        else:
            port = self._engine.port(self._container, _CONTAINER_PORT)
            self._address = (LOOPBACK, port)

    def _follow_log(self, container: str) -> None:
        for line in self._engine.lines(container):
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


def _parts(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse
) -> Iterator[bytes]:
    with contextlib.closing(connection):
        while part := response.read1(_PART_BYTES):
            yield part
