from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from launcher.errors import ConfigError, JobFailedError, LauncherError
from launcher.play.asking import ServerClient
from launcher.ports import LOOPBACK, free_port


class Closing(http.server.BaseHTTPRequestHandler):
    """Answers one request on each connection, then closes it without a word."""

    protocol_version = "HTTP/1.1"
    answer = b'{"fine": true}'
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def closing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Closing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_connection_that_was_closed_is_opened_again(closing: str) -> None:
    with ServerClient(closing) as client:
        assert [client.ask({}) for _ in range(3)] == [{"fine": True}] * 3


def test_the_servers_words_are_passed_on(
    closing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Closing, "status", 400)
    monkeypatch.setattr(Closing, "answer", b'{"error": {"message": "no such thing"}}')
    with ServerClient(closing) as client:
        with pytest.raises(JobFailedError, match="no such thing"):
            client.ask({})
        monkeypatch.setattr(Closing, "answer", b"{}")
        with pytest.raises(JobFailedError, match="status 400"):
            client.ask({})


def test_another_kind_of_server_is_said(
    closing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Closing, "answer", b"<html>")
    with (
        ServerClient(closing) as client,
        pytest.raises(LauncherError, match="is a server of this project"),
    ):
        client.ask({})


def test_an_absent_server_is_said() -> None:
    url = f"http://{LOOPBACK}:{free_port()}"
    with (
        ServerClient(url) as client,
        pytest.raises(LauncherError, match=f"{url} doesn't answer"),
    ):
        client.ask({})


@pytest.mark.parametrize("url", ["", "localhost:8080", "https://example.org"])
def test_what_is_no_local_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected an address such as"):
        ServerClient(url)
