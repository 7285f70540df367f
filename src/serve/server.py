"""uvicorn as we run it: uvloop, httptools, limits on heads and on how long a client may
take, JSON for all errors.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.errors import CODES

if TYPE_CHECKING:
    from serve.app import Application

MAX_HEAD_BYTES = 16 * 1024
KEEP_ALIVE_S = 75
# For a head that has begun or is due on a new connection, and for an answer that the
# client doesn't take.
HEAD_S = 20
WRITE_S = 60
# SageMaker kills 30 s after SIGTERM.
DRAIN_S = 25
_OF_A_BODY = (b"content-length", b"transfer-encoding")


class LimitedHttp(HttpToolsProtocol):
    """Gives up on heads that go on and on, which uvicorn would gather without end, and
    on clients that stand still.

    A head that arrives whole is measured by the application, which answers 431, and the
    body is timed there too.
    """

    _in_head = False
    _in_body = False
    _head_bytes = 0
    _refusal = ""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connects."""
        super().connection_made(transport)
        self._give_up_after(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._go_on()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head ends."""
        self._in_head, self._in_body = False, True
        if self.parser.should_upgrade() and any(
            name in _OF_A_BODY for name, _ in self.headers
        ):
            # The parser takes what follows for the other protocol, whether that is
            # spoken or not.
            self._refusal = "a request that asks for another protocol can't have a body; leave out Upgrade"
            raise ValueError(self._refusal)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A body ends."""
        self._in_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Count what is added to an unfinished head, and let nobody go on with a body
        that was answered already.
        """
        was_in_head = self._in_head
        super().data_received(data)
        if not self._in_head:
            if (
                self._in_body
                and self.cycle is not None
                and self.cycle.response_complete
            ):
                if self._timer is None:
                    self._give_up_after(HEAD_S)
            elif not self.flow.write_paused:
                self._go_on()
            return
        self._head_bytes = self._head_bytes + len(data) if was_in_head else 0
        if self._timer is None:
            self._give_up_after(HEAD_S)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(
                f"the headers are longer than {MAX_HEAD_BYTES} bytes"
            )

    def pause_writing(self) -> None:
        """The client doesn't take the answer."""
        super().pause_writing()
        self._give_up_after(WRITE_S)

    def resume_writing(self) -> None:
        """It does again."""
        self._go_on()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP, and hang up."""
        body = orjson.dumps(
            {"error": {"code": CODES[400], "message": self._refusal or msg}}
        )
        head = (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """A client that asks for another protocol goes on with this one; that is
        nothing to warn of.
        """

    def _give_up_after(self, seconds: float) -> None:
        self._go_on()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """Ends as well when ``watch``, a pipe that another process holds open, is closed
    with that process.
    """

    def __init__(self, config: uvicorn.Config, watch: int | None = None) -> None:
        super().__init__(config)
        self._watch_fd = watch

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self._watch_fd is not None:
            asyncio.get_running_loop().add_reader(self._watch_fd, self._abandoned)

    def _abandoned(self) -> None:
        if self._watch_fd is not None:
            asyncio.get_running_loop().remove_reader(self._watch_fd)
        self.should_exit = True


def make_server(application: Application | Any, watch: int | None = None) -> Server:
    """A server that takes its socket in `uvicorn.Server.run`; SIGTERM has it finish
    what it began.
    """
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=LimitedHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    return Server(config, watch)


def bind(port: int, count: int = 1) -> list[socket.socket]:
    """TCP sockets on every interface and the same port, not yet listening.

    Raises:
        OSError: if the port can't be had.
    """
    bound: list[socket.socket] = []
    try:
        if count > 1 and port:
            _bind(
                port, share=False
            ).close()  # sharing alone would join whoever shares this port already
        for _ in range(count):
            bound.append(_bind(port, share=count > 1))
    except OSError:
        for made in bound:
            made.close()
        raise
    return bound


def _bind(port: int, share: bool) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("0.0.0.0", port))
    except OSError:
        made.close()
        raise
    return made
