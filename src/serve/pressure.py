"""Who gives way when memory or file descriptors run short.

Nobody waits for memory that a client holds, so clients can't block each other, and
there is nothing that could deadlock. If there isn't room for what has arrived, there
and then some client loses its request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol


class Client(Hashable, Protocol):
    """A connection, as seen from here."""

    def lose_request(self) -> None:
        """Refuse what has arrived of its request; this calls `ArrivedBytes.release`."""

    def lose_connection(self) -> None:
        """Hang up at once; this calls `OpenConnections.closed`, sooner or later."""

    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived."""


@dataclass(slots=True)
class _Share:
    """What a client holds of an incomplete request.

    Attributes:
        count: bytes.
        since: the moment in which they became so many.
        byte_seconds: bytes times seconds until then.
    """

    count: int
    since: float
    byte_seconds: float = 0.0

    def change(self, count: int, now: float) -> None:
        self.byte_seconds = self.until(now)
        self.count = count
        self.since = now

    def until(self, now: float) -> float:
        return self.byte_seconds + self.count * (now - self.since)


class ArrivedBytes:
    """Counts the bytes of requests that have arrived and aren't answered.

    What was declared doesn't count, only what has arrived. If there would be too much,
    incomplete requests give way: first the one that has held most for the longest, by
    bytes times seconds. A client that sends on quickly has little of either. Complete
    requests, which are being answered, don't give way. If they alone take all there is,
    the newcomer is refused.

    Args:
        total: bytes that may be held.
        clock: seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._shares: dict[Client, _Share] = {}
        self._complete: dict[Hashable, int] = {}
        self._held_complete = 0
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def hold(self, client: Client, count: int) -> None:
        """A client now holds so many bytes that it may lose.

        That is an incomplete request, later ones, or answers that it doesn't take.

        Others may lose their requests by this, or the client itself.
        """
        now = self._clock()
        share = self._shares.get(client)
        if share is None:
            share = self._shares[client] = _Share(0, now)
        self._held += count - share.count
        share.change(count, now)
        if self._held > self._total:
            self._make_room(client, count)

    def hold_complete(self, request: Hashable, count: int, client: Client) -> None:
        """A complete request holds so many bytes until it is released."""
        if self._held_complete + count > self._total:
            client.lose_request()
            return
        self._complete[request] = count
        self._held_complete += count
        self._held += count
        if self._held > self._total:
            self._make_room(client, 0)

    def release(self, holder: Hashable) -> None:
        """A client or a request holds nothing any more; it needn't have held any."""
        share = self._shares.pop(holder, None)  # type: ignore[call-overload]
        if share is not None:
            self._held -= share.count
        count = self._complete.pop(holder, 0)
        self._held_complete -= count
        self._held -= count

    def _make_room(self, newcomer: Client, count: int) -> None:
        if self._held_complete + count > self._total:
            newcomer.lose_request()
        now = self._clock()
        shares = sorted(
            self._shares.items(), key=lambda item: item[1].until(now), reverse=True
        )
        for client, _ in shares:
            if self._held <= self._total:
                return
            client.lose_request()


class OpenConnections:
    """Counts connections, and closes one for each that would be too many.

    That is the one that has waited longest for its client: for a request, or for the
    rest of one. If all requests are complete and being answered, it is the newcomer.

    Attributes:
        count: how many there are.

    Args:
        most: how many there may be.
        clock: seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self.count = 0
        # Since when each waits for its client, the longest first.
        self._waiting: dict[Client, float] = {}

    def opened(self, client: Client) -> None:
        """A client has connected."""
        self.count += 1
        self._waiting[client] = self._clock()
        if self.count > self.most:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.lose_connection()

    def works(self, client: Client) -> None:
        """The server works on a request of this client, which waits for it."""
        self._waiting.pop(client, None)

    def waits(self, client: Client) -> None:
        """The server waits for the next request of this client."""
        self._waiting[client] = self._clock()

    def closed(self, client: Client) -> None:
        """The connection is gone."""
        self.count -= 1
        self._waiting.pop(client, None)

    def close_idle(self, seconds: float) -> None:
        """Close those that have been idle for longer than this."""
        latest = self._clock() - seconds
        for client, since in list(self._waiting.items()):
            if since > latest:
                return
            if client.is_idle():
                client.lose_connection()
