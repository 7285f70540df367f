"""Requests that no client should send, and the statuses that each may be answered with.

Most try to make two parties see different ends of the same request, or to keep the
server busy with little effort. Those of the first kind smuggle a second request, for
`SMUGGLED`, behind the first. A server that took it for a request of its own would
answer 404, which isn't allowed here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SMUGGLED = "/smuggled"
SECONDS = 30.0

_MIB = 2**20
_INNER = f"GET {SMUGGLED} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
_ROW = b"1,318"

Statuses = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Attack:
    """A sequence of bytes.

    Attributes:
        name: what it is.
        parts: gives what is sent, one after the other.
        statuses: the answers that are allowed, each with all its statuses; ``()`` is no
            answer at all.
        pause: seconds between the parts.
        then_close: whether the client stops sending before it reads.
    """

    name: str
    parts: Callable[[], Iterator[bytes]]
    statuses: tuple[Statuses, ...] = ((400,), ())
    pause: float = 0.0
    then_close: bool = False


def _post(*lines: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """A POST of CSV with more header lines."""
    head = [
        f"POST /invocations HTTP/{version}",
        "host: x",
        "content-type: text/csv",
        *lines,
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def _once(request: bytes) -> Callable[[], Iterator[bytes]]:
    """Send it all at once."""
    return lambda: iter([request])


def _json(body: bytes) -> Callable[[], Iterator[bytes]]:
    """Send a body of JSON, well-formed as HTTP."""
    head = [
        "POST /invocations HTTP/1.1",
        "host: x",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        "",
        "",
    ]
    return _once("\r\n".join(head).encode() + body)


def _bytewise(request: bytes) -> Callable[[], Iterator[bytes]]:
    """Send it byte by byte."""
    return lambda: (request[place : place + 1] for place in range(len(request)))


def _chunks(n_bytes: int) -> Iterator[bytes]:
    """A body in chunks of 64 KiB."""
    chunk = b"1,2\n" * 16384
    yield _post("transfer-encoding: chunked")
    for _ in range(n_bytes // len(chunk)):
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


_CLOSE = "connection: close"
_NO_SUCH_CODING: tuple[Statuses, ...] = ((501,), (400,), ())
ATTACKS = (
    Attack("not HTTP", _once(b"nonsense\r\n\r\n")),
    Attack(
        "TLS",
        _once(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))),
    ),
    Attack(
        "a NUL in a header",
        _once(_post("x: a\0b", "content-length: 5", _CLOSE, body=_ROW)),
    ),
    Attack(
        "a header without a name", _once(_post(": x", "content-length: 5", body=_ROW))
    ),
    Attack("a space in a header's name", _once(_post("content length: 5", body=_ROW))),
    Attack(
        "length and chunks",
        _once(
            _post(
                "content-length: 4",
                "transfer-encoding: chunked",
                body=b"0\r\n\r\n" + _INNER,
            )
        ),
    ),
    Attack(
        "two lengths",
        _once(_post("content-length: 5", "content-length: 60", body=_ROW + _INNER)),
    ),
    Attack(
        "a list of lengths", _once(_post("content-length: 5, 60", body=_ROW + _INNER))
    ),
    Attack("a negative length", _once(_post("content-length: -5", body=_ROW + _INNER))),
    Attack("a signed length", _once(_post("content-length: +5", body=_ROW + _INNER))),
    Attack(
        "a huge length",
        _once(_post("content-length: 99999999999999999999999", body=_ROW)),
    ),
    Attack(
        "a space before the colon",
        _once(_post("transfer-encoding : chunked", body=b"0\r\n\r\n" + _INNER)),
    ),
    Attack(
        "an unknown coding",
        _once(_post("transfer-encoding: xchunked", _CLOSE, body=b"0\r\n\r\n" + _INNER)),
        _NO_SUCH_CODING,
    ),
    Attack(
        "chunked twice",
        _once(
            _post(
                "transfer-encoding: chunked, identity",
                _CLOSE,
                body=b"0\r\n\r\n" + _INNER,
            )
        ),
        _NO_SUCH_CODING,
    ),
    Attack(
        "a tab in the coding",
        _once(
            _post(
                "transfer-encoding:\tx\x0bchunked", _CLOSE, body=b"0\r\n\r\n" + _INNER
            )
        ),
        _NO_SUCH_CODING,
    ),
    Attack(
        "a folded header",
        _once(
            _post(
                "transfer-encoding:\r\n chunked",
                "content-length: 5",
                body=_ROW + _INNER,
            )
        ),
    ),
    Attack(
        "a coding before the chunks",
        _once(
            _post(
                "transfer-encoding: gzip, chunked",
                _CLOSE,
                body=b"5\r\n1,318\r\n0\r\n\r\n" + _INNER,
            )
        ),
        _NO_SUCH_CODING,
    ),
    Attack("no host", _once(b"GET /ping HTTP/1.1\r\n\r\n" + _INNER)),
    Attack("two hosts", _once(_post("host: y", "content-length: 5", body=_ROW))),
    Attack(
        "a host that is none",
        _once(b"GET /ping HTTP/1.1\r\nhost: a/b@c\r\n\r\n" + _INNER),
    ),
    Attack("HTTP/0.9", _once(b"GET /ping\r\n")),
    Attack("HTTP/2.0", _once(_post("content-length: 0", version="2.0")), ((505,),)),
    Attack("HTTP/1.2", _once(_post("content-length: 0", version="1.2")), ((505,),)),
    Attack(
        "another expectation",
        _once(_post("expect: 200-ok", "content-length: 5", body=_ROW)),
        ((417,),),
    ),
    Attack(
        "headers as trailers",
        _once(
            _post(
                "transfer-encoding: chunked",
                _CLOSE,
                body=b"5\r\n1,318\r\n0\r\ncontent-type: text/html\r\n\r\n",
            )
        ),
        ((200,),),
    ),
    Attack(
        "endless trailers",
        _once(
            _post(
                "transfer-encoding: chunked",
                body=b"5\r\n1,318\r\n0\r\n" + b"x: y\r\n" * 20_000,
            )
        ),
    ),
    Attack(
        "an endless extension",
        _once(_post("transfer-encoding: chunked", body=b"5;" + b"x" * 100_000)),
    ),
    Attack("empty lines", _once(b"\r\n" * 1000)),
    Attack("bare line feeds", _once(b"GET /ping HTTP/1.1\nhost: x\n\n" + _INNER)),
    Attack("a tunnel", _once(b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n" + _INNER)),
    Attack(
        "a length in a trailer",
        _once(
            _post(
                "transfer-encoding: chunked",
                _CLOSE,
                body=b"0\r\ncontent-length: 3\r\n\r\n",
            )
        ),
    ),
    Attack(
        "a chunk without a size",
        _once(_post("transfer-encoding: chunked", body=b"xyz\r\n" + _INNER)),
    ),
    Attack(
        "a chunk with a negative size",
        _once(_post("transfer-encoding: chunked", body=b"-5\r\n1,318\r\n0\r\n\r\n")),
    ),
    Attack(
        "a chunk with an endless size",
        _once(_post("transfer-encoding: chunked", body=b"f" * 40 + b"\r\n" + _INNER)),
    ),
    Attack(
        "a chunk too short",
        _once(
            _post(
                "transfer-encoding: chunked", body=b"3\r\n1,318\r\n0\r\n\r\n" + _INNER
            )
        ),
    ),
    Attack(
        "a truncated body",
        _once(_post("content-length: 500", body=_ROW)),
        ((),),
        then_close=True,
    ),
    Attack(
        "a truncated chunk",
        _once(_post("transfer-encoding: chunked", body=b"ff\r\n1")),
        ((),),
        then_close=True,
    ),
    Attack(
        "a truncated head",
        _once(b"POST /invocations HTTP/1.1\r\nhost:"),
        ((),),
        then_close=True,
    ),
    Attack(
        "a long body", _once(_post(f"content-length: {7 * _MIB}", _CLOSE)), ((413,),)
    ),
    Attack("many chunks", lambda: _chunks(7 * _MIB), ((413,), ()), then_close=True),
    Attack(
        "a long head",
        _once(_post("x: " + "y" * 20_000, "content-length: 5", _CLOSE, body=_ROW)),
        ((431,),),
    ),
    Attack(
        "many headers",
        _once(_post(*[f"x-{i}: {i}" for i in range(3000)], _CLOSE)),
        ((431,),),
    ),
    Attack(
        "a long target",
        _once(
            b"GET /"
            + b"a" * 50_000
            + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ),
        ((414,),),
    ),
    Attack(
        "a slow head",
        _bytewise(_post("content-length: 5", _CLOSE, body=_ROW)),
        ((200,), ()),
        pause=0.01,
    ),
    Attack("no rows", _once(_post("content-length: 0", _CLOSE)), ((400,),)),
    Attack(
        "ids that aren't numbers",
        _json(b'{"userId": NaN, "movieId": Infinity}'),
        ((400,),),
    ),
    Attack(
        "ids out of all bounds",
        _json(b'{"userId": 1e999, "movieId": ' + b"9" * 5000 + b"}"),
        ((400,),),
    ),
    Attack("deep JSON", _json(b"[" * 200_000), ((400,),)),
    Attack("deep objects", _json(b'{"userId":' * 20_000), ((400,),)),
    Attack(
        "a number of a million digits", _json(b"[" + b"1" * 1_000_000 + b"]"), ((400,),)
    ),
    Attack("not UTF-8", _json(b'{"userId": "\xff\xfe", "movieId": 1}'), ((400,),)),
    Attack(
        "half a surrogate",
        _json(b'{"userId": 1, "movieId": 1, "\\ud800": 1}'),
        ((400,),),
    ),
    Attack(
        "a bad history",
        _json(b'{"movieId": 1, "history": [{"movieId": 1, "rating": 1e308}]}'),
        ((400,),),
    ),
    Attack(
        "many questions",
        _json(b"[" + b'{"userId": 1, "recommend": 1},' * 999 + b"1]"),
        ((400,),),
    ),
)


def attack(
    address: tuple[str, int], chosen: Attack, seconds: float = SECONDS
) -> tuple[Statuses, str]:
    """Carry out an attack.

    Returns the statuses that were answered, and in words what is wrong with them, or
    nothing.
    """
    received = b""
    was_reset = False
    try:
        with socket.create_connection(address, timeout=seconds) as connection:
            for part in chosen.parts():
                connection.sendall(part)
                if chosen.pause:
                    time.sleep(chosen.pause)
            if chosen.then_close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
    except TimeoutError:
        start = received[:80]
        fault = f"{chosen.name}: open after {seconds:.0f} s, received {start!r}"
        return (), fault
    except ConnectionError:
        was_reset = True  # the server hung up while we were sending, as it may

    answers = received.split(b"HTTP/1.1 ")[1:]
    statuses = tuple(int(answer[:3]) for answer in answers)
    is_allowed = statuses in chosen.statuses or (was_reset and not statuses)
    if is_allowed:
        return statuses, ""
    return statuses, f"{chosen.name}: {statuses}, {received[-200:]!r}"
