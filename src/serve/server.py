"""uvicorn as we run it: one worker, httptools and uvloop, heads of limited length, JSON even for what isn't HTTP."""

from __future__ import annotations

import socket

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.app import MAX_HEAD_BYTES, Application
from serve.errors import CODES

KEEP_ALIVE_S = 75
# SageMaker kills 30 s after SIGTERM.
DRAIN_S = 25


class LimitedHttp(HttpToolsProtocol):
    """Gives up on a head that goes on and on, which uvicorn would gather without end.

    A head that arrives whole is measured by the application, which answers 431.
    """

    _in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head ends."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what is added to an unfinished head."""
        was_in_head = self._in_head
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if was_in_head and self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"the headers are longer than {MAX_HEAD_BYTES} bytes")

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP, and hang up."""
        body = orjson.dumps({"error": {"code": CODES[400], "message": msg}})
        head = (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def make_server(application: Application) -> uvicorn.Server:
    """A server that takes its socket in `uvicorn.Server.run`; SIGTERM has it finish what it began."""
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
    return uvicorn.Server(config)


def bind(port: int) -> socket.socket:
    """A TCP socket on every interface, not yet listening.

    Raises:
        OSError: if the port can't be had.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("0.0.0.0", port))
    except OSError:
        bound.close()
        raise
    return bound
