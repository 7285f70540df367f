"""Request bodies, read within bounds: of length, of time, and of how many bytes of long
ones are held at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from serve.errors import HttpError
from serve.resources import MIB

Scope = MutableMapping[str, Any]
Headers = Mapping[bytes, bytes]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# SageMaker gives a request 60 s in all.
BODY_S = 60.0


class ClientDisconnectedError(Exception):
    """Nobody is there to answer."""


def declared_length(headers: Headers, most_mib: int) -> int:
    """What Content-Length says, the limit where a body comes in chunks, 0 where there
    is none; there is never both.

    Raises:
        HttpError: 413 if it is too long, before any of it is read.
    """
    if b"transfer-encoding" in headers:
        return most_mib * MIB
    length = int(headers.get(b"content-length", 0))
    if length > most_mib * MIB:
        raise _too_large(most_mib)
    return length


async def read_body(receive: Receive, most_mib: int, seconds: float = BODY_S) -> bytes:
    """The whole body.

    Raises:
        HttpError: 413 as soon as it is too long, 408 if it doesn't come within
            ``seconds``.
        ClientDisconnectedError: if it never will.
    """
    try:
        async with asyncio.timeout(seconds):
            chunks, length, more = [], 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnectedError
                chunks.append(message.get("body", b""))
                length += len(chunks[-1])
                more = message.get("more_body", False)
                if length > most_mib * MIB:
                    raise _too_large(most_mib)
            return b"".join(chunks)
    except TimeoutError:
        raise HttpError(
            408,
            f"the body didn't come within {seconds:.0f} s",
            ((b"connection", b"close"),),
        ) from None


class Budget:
    """A number of bytes that may be held; who would exceed it waits in line, so that
    nobody is passed over for ever.
    """

    def __init__(self, total: int) -> None:
        self._left = total
        self._total = total
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, count: int) -> AsyncIterator[None]:
        """Hold ``count`` bytes, or all there are where it is more, once they are free."""
        count = min(count, self._total)
        if self._line or count > self._left:
            turn = asyncio.get_running_loop().create_future()
            self._line.append((count, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(count)
                else:
                    self._line.remove((count, turn))
                raise
        else:
            self._left -= count
        try:
            yield
        finally:
            self._give_back(count)

    def _give_back(self, count: int) -> None:
        self._left += count
        while self._line and self._line[0][0] <= self._left:
            wanted, turn = self._line.popleft()
            self._left -= wanted
            turn.set_result(None)


def _too_large(most_mib: int) -> HttpError:
    return HttpError(
        413, f"the body is longer than {most_mib} MiB, send fewer rows at a time"
    )
