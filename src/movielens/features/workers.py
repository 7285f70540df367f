"""Threads that fit features together.

The kernels let go of Python's lock while they work, so threads use all processors. Work
is divided into parts that don't depend on each other, and what they give is put
together in the order of the parts. So results are the same with any number of threads.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")

# More parts than threads, so that no thread waits long for another's last part.
PARTS_A_THREAD = 4


class EndedError(Exception):
    """The work was given up while a thread was at it."""


class Workers:
    """Threads that share work.

    Whoever has work to share does it too, and idle threads help. So work that is
    shared may be part of work that is shared itself.

    Attributes:
        n_threads: how many work at once.

    Example:
        >>> with Workers(2) as workers:
        ...     workers.map(abs, [-1, 2, -3])
        [1, 2, 3]
    """

    def __init__(self, n_threads: int = 1) -> None:
        self.n_threads = n_threads
        self._pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
        self._lock = threading.Lock()
        self._n_busy = 0
        self._has_ended = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Give up what isn't done yet. The threads end with the part they are at."""
        self._has_ended = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """What the function gives for each item, in their order.

        Raises:
            EndedError: if the work was given up.
        """
        waiting = list(items)
        n_helpers = min(self.n_free(), len(waiting)) - 1
        if n_helpers <= 0:
            return [self._done(function, item) for item in waiting]

        results: dict[int, Result] = {}
        # Each place is given to one thread.
        places = iter(range(len(waiting)))

        def work() -> None:
            for place in places:
                results[place] = self._done(function, waiting[place])

        helpers = [self._submit(work) for _ in range(n_helpers)]
        try:
            work()
        finally:
            # Nothing is left for those who haven't begun.
            begun = [helper for helper in helpers if not helper.cancel()]
            for helper in begun:
                helper.result()
        return [results[place] for place in range(len(waiting))]

    def ahead(
        self, function: Callable[[Item], Result], items: Sequence[Item], most: int
    ) -> Iterator[Result]:
        """The same one after the other, while threads go on with the next ones.

        Args:
            function: what is done with each item.
            items: in the order of the results.
            most: how many are begun, or done and not taken yet, at once. While the
                caller is at one, as many others may be begun.

        Raises:
            EndedError: if the work was given up.
        """
        if self.n_threads == 1 or most == 1:
            for item in items:
                yield self._done(function, item)
            return

        begun: deque[Future[Result]] = deque()
        left = iter(items)
        for item in left:
            begun.append(self._submit(self._done, function, item))
            if len(begun) == most:
                break
        while begun:
            result = begun.popleft().result()
            for item in left:
                begun.append(self._submit(self._done, function, item))
                break
            yield result
            # It may be large, and the next one takes a while.
            del result

    def n_free(self) -> int:
        """How many threads could share work now, with the one that asks; at least 1."""
        n_idle = self.n_threads - self._n_busy
        return max(1, min(n_idle + 1, self.n_threads))

    def n_parts(self) -> int:
        """Into how many parts to divide work that is shared now."""
        n_free = self.n_free()
        return 1 if n_free == 1 else n_free * PARTS_A_THREAD

    def _submit(
        self, function: Callable[..., Result], *arguments: object
    ) -> Future[Result]:
        if self._has_ended or self._pool is None:
            raise EndedError
        return self._pool.submit(self._counted, function, *arguments)

    def _counted(self, function: Callable[..., Result], *arguments: object) -> Result:
        with self._lock:
            self._n_busy += 1
        try:
            return function(*arguments)
        finally:
            with self._lock:
                self._n_busy -= 1

    def _done(self, function: Callable[[Item], Result], item: Item) -> Result:
        if self._has_ended:
            raise EndedError
        return function(item)


ONE_THREAD = Workers()


def parts_of(
    start: NDArray[np.int64], n_parts: int, work_of_each: int = 16
) -> list[tuple[int, int]]:
    """Ranges of users or movies of about the same work.

    Args:
        start: int64 (n + 1,), where the ratings of each begin.
        n_parts: how many there are at most; there is always one.
        work_of_each: of a user or movie, besides a rating's.

    Returns:
        The first of each part, and the one after its last.
    """
    n = len(start) - 1
    work = start + work_of_each * np.arange(n + 1)
    marks = np.linspace(0, work[-1], n_parts + 1)[1:-1]
    inner = np.searchsorted(work, marks).tolist()
    bounds = sorted({0, *inner, n})
    return list(itertools.pairwise(bounds)) or [(0, 0)]
