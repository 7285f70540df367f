"""Messages of the log that clients can cause as often as they like."""

from __future__ import annotations

import time
from collections.abc import Callable


class Seldom:
    """Lets a message through now and then, with the number of those in between.

    Args:
        seconds: from one message to the next.
        clock: seconds.

    Example:
        >>> seconds = iter([0.0, 1.0, 2.0, 11.0])
        >>> seldom = Seldom(10.0, lambda: next(seconds))
        >>> [seldom.count() for _ in range(4)]
        [1, 0, 0, 3]
    """

    def __init__(
        self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._count = 0
        self._next = float("-inf")

    def count(self) -> int:
        """How many there were since the last one that was let through, with this one.

        0 if this one isn't let through.
        """
        self._count += 1
        now = self._clock()
        if now < self._next:
            return 0
        self._next = now + self._seconds
        count = self._count
        self._count = 0
        return count
