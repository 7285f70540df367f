"""uvicorn with uvloop and httptools, as we run it.

It has limits that uvicorn doesn't have: on the length of headers, and on the time that
a client may take. All errors are JSON.
"""

from __future__ import annotations

import asyncio
import socket

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.asgi import AsgiApplication
from serve.errors import error_body
from serve.limits import ClientLimits

_DEFAULT_LIMITS = ClientLimits()


class LimitedHttp(HttpToolsProtocol):
    """Hangs up on clients that send endless headers or that stop moving.

    uvicorn alone would collect such headers without end. Headers that arrive in one
    piece are measured by the application, which answers 431; it times bodies, too.

    An offer to change to another protocol (RFC 9110, section 7.8) is ignored. The
    parser would stop behind the headers of such a request, so it gets them once more
    without the offer.
    """

    limits = _DEFAULT_LIMITS

    _is_in_head = False
    _is_in_body = False
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; its headers are due."""
        super().connection_made(transport)
        self._hang_up_after(self.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are complete."""
        if self._offers_upgrade():
            return
        self._is_in_head = False
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete."""
        if self._offers_upgrade():
            return
        self._is_in_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Something has arrived.

        A client is timed while its headers are incomplete, and while it goes on sending
        a body that was answered already.
        """
        was_in_head = self._is_in_head
        self._unset_keepalive_if_required()
        self._parse(data)
        if self._is_in_head:
            self._watch_head(data, is_first_piece=not was_in_head)
        elif self._is_in_body and self._is_answered():
            self._start_timer(self.limits.head_s)
        elif not self.flow.write_paused:
            self._stop_timer()

    def _parse(self, data: bytes) -> None:
        unread: memoryview | None = memoryview(data)
        try:
            while unread is not None:
                unread = self._parse_up_to_offer(unread)
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)

    def _parse_up_to_offer(self, data: memoryview) -> memoryview | None:
        """Parse, and return what comes behind the head of a request with an offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._offers_upgrade():
                self._parse_head_again()
                return data[upgrade.args[0] :]
        return None  # what comes behind CONNECT isn't HTTP

    def _offers_upgrade(self) -> bool:
        """Whether the parser is at a request that offers another protocol."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _parse_head_again(self) -> None:
        """Parse the head without its offer; what comes next is the body."""
        method = self.parser.get_method()
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name != b"upgrade":
                lines.append(name + b": " + value)
        head = b"\r\n".join([*lines, b"", b""])

        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(head)

    def _watch_head(self, data: bytes, is_first_piece: bool) -> None:
        """Time incomplete headers and count their bytes after the first piece."""
        if is_first_piece:
            self._head_bytes = 0
        else:
            self._head_bytes += len(data)
        self._start_timer(self.limits.head_s)
        most = self.limits.head_bytes
        if self._head_bytes > most and not self.transport.is_closing():
            self.send_400_response(f"the headers are longer than {most} bytes")

    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def pause_writing(self) -> None:
        """The client doesn't take the answer."""
        super().pause_writing()
        self._hang_up_after(self.limits.write_s)

    def resume_writing(self) -> None:
        """The client takes the answer again."""
        self._stop_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that isn't HTTP, and hang up."""
        body = error_body(400, msg)
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "connection: close\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _start_timer(self, seconds: float) -> None:
        """Hang up after this time, or earlier if a timer runs already."""
        if self._timer is None:
            self._hang_up_after(seconds)

    def _hang_up_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """A server that ends with its parent process.

    Args:
        config: of uvicorn.
        watch: the reading end of a pipe that the parent holds open, or None. It is
            closed when the parent ends, however it ends.
    """

    def __init__(self, config: uvicorn.Config, watch: int | None = None) -> None:
        super().__init__(config)
        self._watch = watch

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and watch the parent."""
        await super().startup(sockets)
        if self._watch is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._watch, self._parent_ended, loop, self._watch)

    def _parent_ended(self, loop: asyncio.AbstractEventLoop, watch: int) -> None:
        loop.remove_reader(watch)
        self.should_exit = True


def make_server(
    application: AsgiApplication,
    watch: int | None = None,
    limits: ClientLimits = _DEFAULT_LIMITS,
) -> Server:
    """A server; `uvicorn.Server.run` takes its socket.

    After SIGTERM it finishes the requests in flight and ends.

    Args:
        application: answers the requests.
        watch: as `Server` takes it.
        limits: on what a client may do.
    """

    class Protocol(LimitedHttp):
        pass

    Protocol.limits = limits
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=limits.drain_s,
    )
    return Server(config, watch)


def bind(port: int, count: int = 1) -> list[socket.socket]:
    """Sockets on the same TCP port of every interface, not yet listening.

    Args:
        port: 0 for any free port.
        count: how many sockets.

    Raises:
        OSError: if the port is in use or may not be used.
    """
    bound: list[socket.socket] = []
    try:
        if count > 1 and port:
            # Sockets that share a port would also share it with another server. One
            # that doesn't share fails if there is such a server.
            _bind(port, share=False).close()
        for _ in range(count):
            bound.append(_bind(port, share=count > 1))
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def _bind(port: int, share: bool) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("0.0.0.0", port))
    except OSError:
        bound.close()
        raise
    return bound
