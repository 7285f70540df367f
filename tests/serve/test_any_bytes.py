"""Random requests, damaged at random, over connections in memory.

Whatever arrives, in whatever pieces, refusals are JSON and nothing stays behind.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest
import uvloop
from uvicorn.server import ServerState

from serve.app import Application
from serve.connection import Connection, Shared
from serve.limits import ClientLimits
from serve.pressure import ArrivedBytes, OpenConnections
from serve.served_model import ServedModel
from serve.settings import ServeSettings
from tests.serve.by_hand import head

CSV = "content-type: text/csv"
CHUNKED = "transfer-encoding: chunked"
REQUESTS = (
    head(target="GET /ping HTTP/1.1"),
    head(CSV, "content-length: 3") + b"1,2",
    head(CSV, CHUNKED) + b"3;a=b\r\n1,2\r\n0\r\nx: y\r\n\r\n",
    head("connection: upgrade", "upgrade: h2c", "content-length: 3") + b"1,2",
    head(CSV, "content-length: 8000") + b"1,2\n" * 2000,
    head(CSV, CHUNKED) + b"1f40\r\n" + b"1,2\n" * 2000 + b"\r\n0\r\n\r\n",
    head("content-length: 3", "expect: 100-continue") + b"1,2",
    head("connection: close", target="GET /nowhere HTTP/1.1"),
    head("content-length: 9000000") + b"1,2\n" * 9000,
    head("content-length: 3", target="GET /ping HTTP/1.0") + b"1,2",
)
PIECES = (
    *(b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"\n", b"\0", b": ", b" ", b"\xff"),
    *(b"transfer-encoding: chunked\r\n", b"content-length: 7\r\n", b"host: y\r\n"),
    *(b"upgrade: x\r\nconnection: upgrade\r\n", b"GET / HTTP/1.1\r\n", b"ffffff\r\n"),
)
N_CLIENTS = 3
HELD_BYTES = 40_000


class Wire(asyncio.Transport):
    """The server's end of a connection in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_paused = False
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True

    def get_write_buffer_size(self) -> int:
        return 0


def damaged(rng: random.Random, request: bytes) -> bytes:
    """The same request, with up to three things wrong."""
    broken = bytearray(request)
    for _ in range(rng.choice([0, 0, 1, 1, 3])):
        place = rng.randrange(len(broken))
        match rng.randrange(3):
            case 0:
                broken[place:place] = rng.choice(PIECES)
            case 1:
                del broken[place : place + rng.randrange(1, 8)]
            case _:
                broken[place] = rng.randrange(256)
    return bytes(broken)


async def talk(rng: random.Random, shared: Shared, state: ServerState) -> bytes:
    """Send requests in pieces, and hang up sometime; gives what was answered."""
    wire = Wire()
    connection = Connection(shared, state)
    connection.connection_made(wire)
    left = b"".join(damaged(rng, rng.choice(REQUESTS)) for _ in range(3))
    while left and not wire.is_closing():
        if not wire.is_paused:
            length = rng.choice([1, 17, 200, 5000, 100_000])
            connection.data_received(left[:length])
            left = left[length:]
        await asyncio.sleep(0)
    for _ in range(rng.choice([0, 10, 1000])):
        await asyncio.sleep(0)
    wire.close()
    connection.connection_lost(None)
    return wire.sent


def check_answers(sent: bytes) -> None:
    for answer in sent.split(b"HTTP/1.1 ")[1:]:
        headers, _, body = answer.partition(b"\r\n\r\n")
        if int(answer[:3]) >= 400:
            assert b"content-type: application/json" in headers
            assert set(json.loads(body)["error"]) == {"code", "message"}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_arrives_nothing_stays_behind(served: ServedModel, seed: int) -> None:
    rng = random.Random(seed)
    faults: list[object] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        application = Application(served, ServeSettings(Path("unused"), max_body_mib=1))
        arrived = ArrivedBytes(HELD_BYTES)
        connections = OpenConnections(N_CLIENTS)
        shared = Shared(application, ClientLimits(linger_s=0.01), arrived, connections)
        state = ServerState()
        for _ in range(40):
            talks = [talk(rng, shared, state) for _ in range(N_CLIENTS)]
            for sent in await asyncio.gather(*talks):
                check_answers(sent)
            while state.tasks:
                await asyncio.sleep(0.001)
            assert arrived.held == 0
            assert connections.count == 0

    uvloop.run(scenario())
    assert not faults
