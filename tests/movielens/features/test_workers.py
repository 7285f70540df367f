from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from movielens.features.workers import (
    ONE_THREAD,
    PARTS_A_THREAD,
    EndedError,
    Workers,
    parts_of,
)

LONG_ENOUGH = 60.0


@pytest.fixture(params=[1, 2, 5])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with Workers(request.param) as workers:
        yield workers


@pytest.fixture
def two() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


def test_results_are_in_the_order_of_the_items(workers: Workers) -> None:
    squares = [n * n for n in range(100)]
    assert workers.map(lambda n: n * n, range(100)) == squares
    assert list(workers.ahead(lambda n: n * n, range(100), 3)) == squares
    assert workers.map(abs, []) == []
    assert list(workers.ahead(abs, [], 3)) == []


def test_threads_work_at_the_same_time(two: Workers) -> None:
    """Each waits for the other, so one alone would never end."""
    barrier = threading.Barrier(2, timeout=LONG_ENOUGH)
    two.map(lambda _: barrier.wait(), range(2))
    list(two.ahead(lambda _: barrier.wait(), range(2), 2))


def test_shared_work_may_be_part_of_shared_work(workers: Workers) -> None:
    def total(n: int) -> int:
        return sum(workers.map(lambda m: m * n, range(10)))

    expected = [45 * n for n in range(20)]
    assert workers.map(total, range(20)) == expected
    assert list(workers.ahead(total, range(20), 4)) == expected


def test_no_more_is_begun_than_may_be(two: Workers) -> None:
    begun: list[int] = []
    for n_taken, _ in enumerate(two.ahead(begun.append, range(20), 2), start=1):
        assert len(begun) <= n_taken + 2
    assert sorted(begun) == list(range(20))


def test_an_error_comes_to_whoever_asked(workers: Workers) -> None:
    def fail(n: int) -> int:
        if n == 7:
            raise LookupError("seven")
        return n

    with pytest.raises(LookupError, match="seven"):
        workers.map(fail, range(10))
    with pytest.raises(LookupError, match="seven"):
        list(workers.ahead(fail, range(10), 2))
    assert workers.map(fail, range(5)) == list(range(5))


def test_work_that_is_given_up_ends() -> None:
    """Whatever thread it is in, at the next part."""
    workers = Workers(2)
    has_begun = threading.Event()
    may_go_on = threading.Event()

    def inner(_: int) -> None:
        has_begun.set()
        assert may_go_on.wait(LONG_ENOUGH)

    def outer(_: int) -> None:
        for _ in range(1000):
            workers.map(inner, range(2))

    results = workers.ahead(outer, range(1), 2)
    failures: list[BaseException] = []

    def take() -> None:
        try:
            next(results)
        except EndedError as error:
            failures.append(error)

    taker = threading.Thread(target=take)
    taker.start()
    assert has_begun.wait(LONG_ENOUGH)
    workers.end()
    may_go_on.set()
    taker.join(LONG_ENOUGH)
    assert len(failures) == 1


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_parts_cover_each_once(workers: Workers, n: int) -> None:
    counts = np.random.default_rng(n).integers(0, 30, n)
    start = np.concatenate([[0], np.cumsum(counts)])
    parts = parts_of(start, PARTS_A_THREAD * workers.n_threads)
    covered = [index for first, end in parts for index in range(first, end)]
    assert covered == list(range(n))


def test_parts_have_about_the_same_work() -> None:
    counts = np.zeros(1000, dtype=np.int64)
    counts[:10] = 5000
    start = np.concatenate([[0], np.cumsum(counts)])
    parts = parts_of(start, 8)
    work = [start[end] - start[first] for first, end in parts]
    assert max(work) <= 10_000
    assert parts_of(start, 1) == [(0, 1000)]


def test_only_much_work_is_divided(two: Workers) -> None:
    little = np.arange(0, 1000, 10)
    much = 10_000 * little
    assert two.parts(little) == [(0, 99)]
    assert len(two.parts(much)) == 2 * PARTS_A_THREAD
    assert len(two.parts(little, cost=100)) == 4
    assert ONE_THREAD.parts(much) == [(0, 99)]


def test_whoever_becomes_idle_helps(two: Workers) -> None:
    """One thread shares its work while the other is busy, and meets it there later."""
    other_has_begun = threading.Event()
    work_is_shared = threading.Event()
    meeting = threading.Barrier(2, timeout=LONG_ENOUGH)

    def meet(_: int) -> None:
        work_is_shared.set()
        meeting.wait()

    def outer(item: int) -> None:
        if item == 0:
            assert other_has_begun.wait(LONG_ENOUGH)
            two.map(meet, range(2))
        else:
            other_has_begun.set()
            assert work_is_shared.wait(LONG_ENOUGH)

    list(two.ahead(outer, range(2), 2))


@pytest.mark.parametrize("most", [1, 2])
def test_what_was_taken_is_not_kept(two: Workers, most: int) -> None:
    class Large:
        pass

    taken: list[weakref.ref[Large]] = []
    for result in two.ahead(lambda _: Large(), range(5), most):
        assert all(earlier() is None for earlier in taken)
        taken.append(weakref.ref(result))
        del result
