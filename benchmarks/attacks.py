"""Requests that no client should send, each with the statuses that a server may answer
before it hangs up.

Most are meant to make two parties see different ends of one request, or to keep the
server busy with little. A request that is smuggled behind another asks for `SMUGGLED`,
which answers 404 where it is taken for a request of its own, and nothing here may be
answered so.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SMUGGLED = "/smuggled"
_MIB = 2**20
_INNER = f"GET {SMUGGLED} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
_ROW = b"1,318"


@dataclass(frozen=True, slots=True)
class Attack:
    """A sequence of bytes.

    Attributes:
        name: what it is.
        parts: sent one after the other, with ``pause`` seconds between.
        statuses: what may be answered, all of it; an empty answer is no answer at all.
        then_close: whether the client stops sending before it reads.
    """

    name: str
    parts: Callable[[], Iterator[bytes]]
    statuses: tuple[tuple[int, ...], ...] = ((400,), ())
    pause: float = 0.0
    then_close: bool = False


def _post(*lines: str, body: bytes = b"", version: str = "1.1") -> bytes:
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
    return lambda: iter([request])


def _json(body: bytes) -> Callable[[], Iterator[bytes]]:
    head = f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return _once(head.encode() + b"\r\nconnection: close\r\n\r\n" + body)


def _bytewise(request: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: (request[i : i + 1] for i in range(len(request)))


def _chunks(total: int) -> Iterator[bytes]:
    yield _post("transfer-encoding: chunked")
    for _ in range(total // 65536):
        yield b"10000\r\n" + b"1,2\n" * 16384 + b"\r\n"
    yield b"0\r\n\r\n"


_CLOSE = "connection: close"
ATTACKS = (
    Attack("no HTTP", _once(b"nonsense\r\n\r\n")),
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
        "another coding",
        _once(_post("transfer-encoding: xchunked", _CLOSE, body=b"0\r\n\r\n" + _INNER)),
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
    ),
    Attack(
        "a tab in the coding",
        _once(
            _post(
                "transfer-encoding:\tx\x0bchunked", _CLOSE, body=b"0\r\n\r\n" + _INNER
            )
        ),
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
        "a body behind an upgrade",
        _once(
            _post(
                "connection: upgrade",
                "upgrade: h2c",
                "content-length: 5",
                body=_ROW + _INNER,
            )
        ),
    ),
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
        "a chunk of no number",
        _once(_post("transfer-encoding: chunked", body=b"xyz\r\n" + _INNER)),
    ),
    Attack(
        "a chunk of a negative size",
        _once(_post("transfer-encoding: chunked", body=b"-5\r\n1,318\r\n0\r\n\r\n")),
    ),
    Attack(
        "a chunk of an endless size",
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
        ((431,), (400,)),
    ),
    Attack(
        "many headers",
        _once(_post(*[f"x-{i}: {i}" for i in range(3000)], _CLOSE)),
        ((431,), (400,)),
    ),
    Attack(
        "a long target",
        _once(
            b"GET /"
            + b"a" * 50_000
            + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ),
        ((404,), (431,), (400,)),
    ),
    Attack(
        "a slow head",
        _bytewise(_post("content-length: 5", _CLOSE, body=_ROW)),
        ((200,), ()),
        pause=0.01,
    ),
    Attack("no rows", _once(_post("content-length: 0", _CLOSE)), ((400,),)),
    Attack("no ids", _json(b'{"userId": NaN, "movieId": Infinity}'), ((400,),)),
    Attack(
        "ids beyond all bounds",
        _json(b'{"userId": 1e999, "movieId": ' + b"9" * 5000 + b"}"),
        ((400,),),
    ),
    Attack("deep JSON", _json(b"[" * 200_000), ((400,),)),
    Attack("deep objects", _json(b'{"userId":' * 20_000), ((400,),)),
    Attack(
        "a number of a million digits", _json(b"[" + b"1" * 1_000_000 + b"]"), ((400,),)
    ),
    Attack("no UTF-8", _json(b'{"userId": "\xff\xfe", "movieId": 1}'), ((400,),)),
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
    address: tuple[str, int], chosen: Attack, seconds: float = 30.0
) -> tuple[tuple[int, ...], str]:
    """Carry it out; the statuses that were answered, and in words what shouldn't have
    been, or nothing.
    """
    received, was_reset = b"", False
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
        return (
            (),
            f"{chosen.name}: not hung up within {seconds:.0f} s, after {received[:80]!r}",
        )
    except ConnectionError:  # hung up while we were sending, which is an answer as well
        was_reset = True
    found = tuple(int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:])
    is_well = found in chosen.statuses or (was_reset and not found)
    return found, "" if is_well else f"{chosen.name}: {found}, {received[-200:]!r}"
