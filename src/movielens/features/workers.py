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
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")

# More parts than threads, so that no thread waits long for another's last part.
PARTS_A_THREAD = 4
# Work is counted in ratings; a user or a movie is as much as so many.
WORK_OF_EACH = 16
# A part with less work isn't worth it: to begin one, a thread needs Python's lock.
LEAST_WORK = 65_536


class EndedError(Exception):
    """The work was given up while a thread was at it."""


class _SharedWork(Generic[Item, Result]):
    """Items that any number of threads take from, each item once.

    Attributes:
        is_taken: whether nothing is left to take.
        n_inside: how many threads are at it.
    """

    def __init__(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> None:
        self.is_taken = False
        self._function = function
        self._items = items
        # Each place is given to one thread.
        self._places = iter(range(len(items)))
        self._results: dict[int, Result] = {}
        self._errors: list[BaseException] = []
        self.n_inside = 0
        self._has_left = threading.Condition()

    def take_part(self) -> None:
        """Work until nothing is left to take."""
        with self._has_left:
            self.n_inside += 1
        try:
            for place in self._places:
                self._results[place] = self._function(self._items[place])
        except BaseException as error:  # noqa: BLE001 - `results` raises it
            self._errors.append(error)
            deque(self._places, maxlen=0)
        self.is_taken = True
        with self._has_left:
            self.n_inside -= 1
            self._has_left.notify_all()

    def results(self) -> list[Result]:
        """What all threads found, in the order of the items, once they are done.

        Raises:
            BaseException: the first error of any thread.
        """
        with self._has_left:
            self._has_left.wait_for(lambda: not self.n_inside)
        if self._errors:
            raise self._errors[0]
        return [self._results[place] for place in range(len(self._items))]


class Workers:
    """Threads that share work.

    Whoever has work to share does it too, and idle threads help, whenever they become
    idle. So work that is shared may be part of work that is shared itself.

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
        self._shared: list[_SharedWork[Any, Any]] = []
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
        if self._pool is None or len(waiting) < 2:
            return [self._done(function, item) for item in waiting]

        work = _SharedWork(partial(self._done, function), waiting)
        with self._lock:
            self._shared.append(work)
            n_idle = self.n_threads - self._n_busy
        try:
            # The thread that asks is one of them.
            for _ in range(min(n_idle, self.n_threads - 1, len(waiting) - 1)):
                self._submit(self._help)
            work.take_part()
        finally:
            with self._lock:
                self._shared.remove(work)
        return work.results()

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

    def parts(self, start: NDArray[np.int64], cost: int = 1) -> list[tuple[int, int]]:
        """Ranges of users or movies that are worth sharing.

        Args:
            start: int64 (n + 1,), where the ratings of each begin.
            cost: the work of a rating; a simple sum is 1.

        Returns:
            The first of each part, and the one after its last.
        """
        if self.n_threads == 1:
            return parts_of(start, 1)
        n = len(start) - 1
        n_ratings = int(start[-1])
        work = cost * (n_ratings + WORK_OF_EACH * n)
        n_worth = 1 + work // LEAST_WORK
        n_most = PARTS_A_THREAD * self.n_threads
        return parts_of(start, min(n_worth, n_most))

    def _help(self) -> None:
        """Take part in shared work until all of it is taken."""
        while (work := self._first_to_share()) is not None:
            work.take_part()

    def _first_to_share(self) -> _SharedWork[Any, Any] | None:
        """The shared work with the fewest threads; None if all of it is taken."""
        with self._lock:
            left = [work for work in self._shared if not work.is_taken]
        return min(left, key=lambda work: work.n_inside, default=None)

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
            if self._first_to_share() is not None:
                # The pool takes nothing any more once it was shut down.
                with suppress(EndedError, RuntimeError):
                    self._submit(self._help)

    def _done(self, function: Callable[[Item], Result], item: Item) -> Result:
        if self._has_ended:
            raise EndedError
        return function(item)


ONE_THREAD = Workers()


def parts_of(start: NDArray[np.int64], n_parts: int) -> list[tuple[int, int]]:
    """Ranges of users or movies of about the same work.

    Args:
        start: int64 (n + 1,), where the ratings of each begin.
        n_parts: how many there are at most; there is always one.

    Returns:
        The first of each part, and the one after its last.
    """
    n = len(start) - 1
    if n_parts == 1 or n == 0:
        return [(0, n)]

    # Up to each user or movie.
    n_before = np.arange(n + 1)
    work = start + WORK_OF_EACH * n_before

    marks = np.linspace(0, work[-1], n_parts + 1)
    inner = np.searchsorted(work, marks[1:-1])
    bounds = {0, n, *inner.tolist()}
    return list(itertools.pairwise(sorted(bounds)))
