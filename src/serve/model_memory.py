"""The memory that models take together."""

from __future__ import annotations

import weakref
from collections import deque

from serve.served_model import ServedModel


class ModelMemory:
    """Counts what models take, from before one is read until nobody uses it any more.

    A model that was dropped still takes its memory while a request in flight uses it.
    Every method but `hold` must be called under a lock of the owner.

    Args:
        most: bytes that models may take together.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        # Models may end at any moment, in any thread, and so without the lock.
        self._freed: deque[int] = deque()

    @property
    def free(self) -> int:
        """Bytes that are free; below 0 while models that were dropped are in use."""
        while self._freed:
            self._taken -= self._freed.popleft()
        return self.most - self._taken

    def take(self, size: int) -> None:
        """Count a model that is going to be read."""
        self._taken += size

    def give_back(self, size: int) -> None:
        """Count no longer a model that couldn't be read."""
        self._taken -= size

    def hold(self, served: ServedModel, size: int) -> None:
        """Count a model until it ends."""
        weakref.finalize(served, self._freed.append, size).atexit = False
