"""Request bodies, read up to a limit.

The server times them, and counts what all of them hold. Where only the platform sends
requests, it sends as many at once as it likes, and it has time. There, long bodies
wait in line before they are read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serve.asgi import Headers, Receive
from serve.errors import HttpError
from serve.resources import MIB


class ClientDisconnectedError(Exception):
    """The client is gone, so there is nobody to answer."""


def declared_length(headers: Headers, max_mib: int) -> int:
    """The most bytes that the body may have, by its headers.

    That is its Content-Length, the limit if the body comes in chunks, 0 if neither
    header is there. The server refuses requests that have both.

    Raises:
        HttpError: 413 if it is too long, before any of it is read.
    """
    if b"transfer-encoding" in headers:
        return max_mib * MIB
    length = int(headers.get(b"content-length", 0))
    if length > max_mib * MIB:
        raise _too_large(max_mib)
    return length


async def read_body(receive: Receive, max_mib: int) -> bytes:
    """Read the whole body.

    Raises:
        HttpError: 413 as soon as it is too long.
        ClientDisconnectedError: if the client has hung up, or was refused meanwhile.
    """
    chunks: list[bytes] = []
    length = 0
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        chunk = message.get("body", b"")
        chunks.append(chunk)
        length += len(chunk)
        if length > max_mib * MIB:
            raise _too_large(max_mib)
        is_complete = not message.get("more_body", False)
    return b"".join(chunks)


async def until_gone(receive: Receive) -> None:
    """Return when the client has hung up; its body was read before."""
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


class WaitingLine:
    """A number of bytes that may be held at once.

    Whoever would exceed it waits in line. A small request doesn't overtake a large one,
    so that everyone's turn comes.

    Those who hold bytes must not wait for anyone who stands in line.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def length(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @asynccontextmanager
    async def hold(self, count: int) -> AsyncIterator[None]:
        """Hold ``count`` bytes, at most all there are, once they are free."""
        count = min(count, self._total)
        if self._line or count > self._free:
            await self._wait_for(count)
        else:
            self._free -= count
        try:
            yield
        finally:
            self._give_back(count)

    async def _wait_for(self, count: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._line.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            its_turn_had_come = turn.done() and not turn.cancelled()
            if its_turn_had_come:
                self._give_back(count)
            else:
                self._line.remove((count, turn))
            raise

    def _give_back(self, count: int) -> None:
        self._free += count
        while self._line and self._line[0][0] <= self._free:
            wanted, turn = self._line.popleft()
            self._free -= wanted
            turn.set_result(None)


def _too_large(max_mib: int) -> HttpError:
    return HttpError(
        413, f"the body is longer than {max_mib} MiB, send fewer rows at a time"
    )
