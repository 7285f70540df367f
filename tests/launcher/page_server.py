"""A server that answers every request with a page, as a proxy may."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from launcher.ports import LOOPBACK


class PageServer(ThreadingHTTPServer):
    """Answers every request with the same page."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Page)
        self.status = 200
        self.media_type = "text/html"
        self.page = b"<!DOCTYPE html><html><body>Log in first</body></html>"
        self.n_asked = 0

    @property
    def host(self) -> str:
        return f"{LOOPBACK}:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


class Page(BaseHTTPRequestHandler):
    """The page."""

    server: PageServer

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.n_asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Type", self.server.media_type)
        self.send_header("Content-Length", str(len(self.server.page)))
        self.end_headers()
        self.wfile.write(self.server.page)

    do_POST = do_GET  # noqa: N815 - the base class calls methods by these names
    do_PUT = do_GET  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Nothing on stderr, which the tests read."""


@contextlib.contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Answers requests until the ``with`` block ends."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
    server.server_close()
