"""The health check, as functions; test_locked_down has it in a container."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from container.health import is_server, ping
from launcher.ports import free_port


class _Answers(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        assert self.path == "/ping"
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Fails(_Answers):
    status = 503


@contextmanager
def served(handler: type[_Answers]) -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "words",
    [
        ["/opt/halfstar/bin/python3", "/opt/halfstar/bin/serve"],
        ["/opt/halfstar/bin/python3", "-I", "-S", "/opt/entrypoint.py", "serve"],
        ["/sbin/docker-init", "--", "python3", "-I", "/opt/entrypoint.py", "serve"],
    ],
)
def test_a_server_is_known_by_its_command_line(words: list[str]) -> None:
    assert is_server("".join(f"{word}\0" for word in words).encode())


@pytest.mark.parametrize(
    "words",
    [
        ["/opt/halfstar/bin/python3", "/opt/halfstar/bin/train"],
        ["/opt/halfstar/bin/python3", "-I", "-S", "/opt/entrypoint.py"],
        ["/usr/bin/python3", "observe"],
        [],
    ],
)
def test_anything_else_is_no_server(words: list[str]) -> None:
    assert not is_server("".join(f"{word}\0" for word in words).encode())


@pytest.mark.parametrize(
    ("handler", "status"),
    [(_Answers, "HTTP/1.0 200 OK"), (_Fails, "HTTP/1.0 503 Service Unavailable")],
)
def test_the_answer_to_ping_is_its_status_line(
    handler: type[_Answers], status: str
) -> None:
    with served(handler) as port:
        assert ping(port) == status


def test_a_server_that_does_not_listen_is_reported_with_its_port() -> None:
    port = free_port()
    assert ping(port).startswith(f"no answer on port {port}: ")


def test_a_server_that_does_not_answer_is_reported_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listens:
        port = listens.getsockname()[1]
        assert ping(port, seconds=0.1) == f"no answer on port {port}: timed out"
