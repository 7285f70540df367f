"""The server's HTTP as bytes on a wire, and its applications as ASGI calls them."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serve.app import Api, Application
from serve.asgi import AsgiApplication, Message, Receive, Scope, Send
from serve.errors import CODES
from serve.model_places import ModelPlaces
from serve.models import ModelLimits, Models
from serve.multi_model import MultiModelApplication
from serve.registry import Line
from serve.server import Server, make_server
from serve.settings import ServeSettings
from tests.fuzz import samples
from tests.fuzz.target import Target

# Of several faults, the one is told that is noticed first.
_REFUSAL = re.compile(rb'content-length: \d+\r\n\r\n\{"error":.*?\}\}')
# So many turns of the loop bring every answer to its end.
_IDLE_TURNS = 6


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    loop.set_exception_handler(_fail)
    return loop


_failures: list[str] = []


def _fail(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _failures.append(f"{context['message']}: {context.get('exception')!r}")


# Bytes on a wire


class _Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closed:
            self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with all that it was asked."""
    body = b""
    message: Message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
    names = ("method", "path", "raw_path", "query_string", "headers", "http_version")
    said = repr([scope[name] for name in names] + [body]).encode()
    length = (b"content-length", b"%d" % len(said))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": said})


@functools.cache
def _server() -> Server:
    application: AsgiApplication = _echo
    server = make_server(application)
    server.config.load()
    return server


def http(data: bytes) -> None:
    """A connection never fails, whatever is sent.

    The answers don't depend on where the bytes are cut into pieces, but for the words
    of a refusal. An input has the lengths of the pieces, a byte each, up to the first
    line end, and then the bytes.
    """
    lengths, _, sent = data.partition(b"\n")
    whole = _answers([sent])
    pieces = []
    start = 0
    for length in lengths or b"\1":
        pieces.append(sent[start : start + length])
        start += length
    pieces.append(sent[start:])
    assert _answers([piece for piece in pieces if piece]) == whole


def _answers(pieces: list[bytes]) -> tuple[bytes, bool]:
    found = _loop().run_until_complete(_answered(pieces))
    assert not _failures, _failures.pop()
    return found


async def _answered(pieces: list[bytes]) -> tuple[bytes, bool]:
    """What is written, and whether the server hangs up."""
    server = _server()
    make: Any = server.config.http_protocol_class
    connection = make(server.config, server.server_state, {}, _loop())
    wire = _Wire()
    connection.connection_made(wire)
    for piece in pieces:
        if not wire.is_closed:
            connection.data_received(piece)
    await _become_idle(wire)
    found = _REFUSAL.sub(b"", wire.written), wire.is_closed
    connection.connection_lost(None)
    await _become_idle(wire)
    assert not server.server_state.connections
    assert not server.server_state.tasks
    return found


async def _become_idle(wire: _Wire) -> None:
    """Let all go on that can, until nothing more is written."""
    n_written = -1
    while len(wire.written) > n_written:
        n_written = len(wire.written)
        for _ in range(_IDLE_TURNS):
            await asyncio.sleep(0)


_HOST = b"host: test\r\n"


def _wires() -> Iterator[bytes]:
    get = b"GET /ping?a=%20 HTTP/1.1\r\n" + _HOST
    post = b"POST /invocations HTTP/1.1\r\n" + _HOST
    upgrade = b"connection: Upgrade\r\nupgrade: h2c\r\n"
    chunked = b"transfer-encoding: chunked\r\n\r\n2\r\n1,\r\n1;x=y\r\n2\r\n0\r\n\r\n"
    sent = (
        get + b"\r\n",
        post + b"content-length: 3\r\n\r\n1,2" + get + b"\r\n",
        post + chunked + get + b"\r\n",
        get + upgrade + b"\r\n" + post + upgrade + b"content-length: 3\r\n\r\n1,2",
        post + upgrade + chunked + get + b"\r\n",
        post + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n" + get + b"\r\n",
        b"GET / HTTP/1.0\r\n\r\n" + get + b"connection: close\r\n\r\nmore",
        post + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET  /\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"a:\r\n b\r\n\r\n",
        b"GET http://x:y/%ff?#f HTTP/1.1\r\n" + _HOST + b"\r\n",
    )
    for each in sent:
        yield b"\n" + each
        yield bytes([1] * 9) + b"\n" + each
        yield b"\x20\x07\x40\n" + each


# Applications


def application(data: bytes) -> None:
    """Any request has an answer with a status of ours, and never 500.

    An input is a request as HTTP writes it, with LF as line end.
    """
    status, body = _ask(_application(), data)
    assert status in {200, 204, *CODES}
    assert status != 500, body
    if status >= 400:
        assert json.loads(body)["error"]["code"] == CODES[status]


def multi_model(data: bytes) -> None:
    """The same for the routes of a multi-model endpoint."""
    application = _multi_model()
    status, body = _ask(application, data)
    assert status in {200, 204, *CODES}
    assert status != 500, body
    if body.startswith(b"{"):
        json.loads(body)


@functools.cache
def _settings() -> ServeSettings:
    return ServeSettings(samples.folder("empty"), max_body_mib=1)


@functools.cache
def _application() -> Api:
    return Application(samples.served(), _settings())


def _multi_model() -> Api:
    """Without models, and with places that hold no sound one."""
    root = _places()
    limits = ModelLimits(1 << 30)
    return MultiModelApplication(
        Models(ModelPlaces(root), limits, _line(), {}), _settings()
    )


@functools.cache
def _places() -> Path:
    root = samples.folder("places")
    (root / "empty").mkdir()
    (root / "damaged").mkdir()
    (root / "damaged" / "manifest.json").write_text("{}")
    (root / "out").symlink_to("/")
    return root


@functools.cache
def _line() -> Line:
    """A line to a process 1 that has ended."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader.close()
    atexit.register(writer.close)
    return Line(writer)


def _ask(application: Api, data: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.decode("latin-1").partition(" ")
    path, _, query = target.partition("?")
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    named = {name for name, _ in headers}
    if b"transfer-encoding" not in named:
        # The parser lets no other length through.
        headers = [each for each in headers if each[0] != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
    scope: Scope = {
        "type": "http",
        "http_version": "1.0" if b"old" in named else "1.1",
        "method": method,
        "path": path,
        "query_string": query.encode("latin-1"),
        "headers": headers,
    }
    sent: list[Message] = []

    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # the client waits for its answer
        return unread.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    _loop().run_until_complete(application(scope, receive, send))
    assert sent[0]["type"] == "http.response.start"
    text = b"".join(message["body"] for message in sent[1:])
    lengths = [value for name, value in sent[0]["headers"] if name == b"content-length"]
    assert not lengths or lengths == [b"%d" % len(text)]
    return sent[0]["status"], text


def _requests() -> Iterator[bytes]:
    yield b"GET /ping\n\n"
    yield b"HEAD /execution-parameters\n\n"
    yield b"POST /invocations\ncontent-type: text/csv\naccept: */*\n\n1,318"
    yield b"POST /invocations\naccept: text/csv\naccept: text/html\nold:\n\n[[1,318]]"
    yield b'POST /invocations\ntransfer-encoding: chunked\n\n{"userId":1,"recommend":1}'
    yield b"POST /invocations\ncontent-encoding: gzip\n\n1"
    yield b"PUT /ping\n\n"
    yield b"GET /nowhere?x\n\n"


def _model_requests() -> Iterator[bytes]:
    yield b"GET /models?next_page_token=YQ==\n\n"
    yield b"GET /models?nextPageToken=%61&x\n\n"
    yield b'POST /models\n\n{"model_name": "a", "url": "/opt/ml/models/a/model"}'
    yield b'POST /models\n\n{"model_name": "../a", "url": "a\\u0000"}'
    yield b'POST /models\n\n{"model_name": "\\ud800", "url": "."}'
    for place in ("empty", "damaged", "out", "../places", "damaged/manifest.json"):
        named = json.dumps({"model_name": "a", "url": str(_places() / place)})
        yield b"POST /models\n\n" + named.encode()
    yield b"DELETE /models/a\n\n"
    yield b"GET /models/a%20\n\n"
    yield b"POST /models/a/invoke\ncontent-type: text/csv\n\n1,1"


_HTTP_WORDS = (
    *(b"\r\n\r\n", b"content-length: ", b"transfer-encoding: chunked", b"upgrade: h2c"),
    *(b"connection: upgrade", b" HTTP/1.1", b"host: ", b"0\r\n\r\n", b"expect: "),
)
_REQUEST_WORDS = (b"POST /invocations\n", b"content-type: ", b"accept: ", b"text/csv")
_MODEL_WORDS = (b"/models", b"/invoke", b'"model_name"', b'"url"', b"next_page_token=")

TARGETS = [
    Target(http, _wires, _HTTP_WORDS, weight=5, most_bytes=1000),
    Target(application, _requests, _REQUEST_WORDS, weight=2, most_bytes=600),
    Target(multi_model, _model_requests, _MODEL_WORDS, weight=2, most_bytes=300),
]
