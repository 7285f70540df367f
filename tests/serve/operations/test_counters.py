from __future__ import annotations

import os

from serve.errors import CODES
from serve.operations.counters import (
    BOUNDS,
    INVOCATIONS,
    OTHER,
    ROUTES,
    STATUSES,
    Board,
    Cell,
    Load,
)
from serve.operations.tally import GONE, Tally


def test_every_status_of_every_route_has_a_place_of_its_own() -> None:
    board = Board(1)
    slot = board.slot(0)
    assert set(STATUSES) >= {200, 204, *CODES, GONE}
    for route in ROUTES:
        for status in STATUSES:
            slot.count(route, Tally(status=status))
    counts = board.totals().requests()
    assert len(counts) == len(ROUTES) * len(STATUSES)
    assert set(counts.values()) == {1}
    assert sum(board.totals().buckets) == len(STATUSES) - 1  # nobody waited for one


def test_each_number_of_a_request_is_added_to_its_own_cell() -> None:
    board = Board(1)
    tally = Tally(0.0, 0.5, 200, 1, 2, 3, 4, 5, 6)
    for _ in range(2):
        board.slot(0).count(INVOCATIONS, tally)
    totals = board.totals()
    assert totals.seconds == 1.0
    for cell in (
        Cell.PREDICTIONS,
        Cell.QUESTIONS,
        Cell.BAD_ROWS,
        Cell.UNKNOWN_ROWS,
        Cell.UNKNOWN_USERS,
        Cell.UNKNOWN_MOVIES,
    ):
        assert totals.number(cell) == 2 * getattr(tally, cell.name.lower())


def test_processes_count_in_slots_that_are_summed() -> None:
    n_workers, n_requests = 3, 1000
    board = Board(n_workers)
    pids = []
    for worker in range(n_workers):
        pid = os.fork()
        if pid == 0:
            slot = board.slot(worker)
            slot.begin(os.getpid())
            for _ in range(n_requests):
                slot.count(INVOCATIONS, Tally(0.0, 0.25, 200, predictions=2))
            slot.set_load(Load(in_progress=1, connections=worker))
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0

    totals = board.totals()
    n_all = n_workers * n_requests
    assert totals.requests()[INVOCATIONS, 200] == n_all
    assert totals.number(Cell.PREDICTIONS) == 2 * n_all
    assert totals.seconds == 0.25 * n_all
    assert totals.number(Cell.IN_PROGRESS) == n_workers
    assert totals.number(Cell.CONNECTIONS) == 0 + 1 + 2
    assert board.pids() == pids


def test_durations_fall_in_the_class_whose_bound_they_dont_exceed() -> None:
    board = Board(1)
    slot = board.slot(0)
    for seconds in (0.0, *BOUNDS, 2 * BOUNDS[-1]):
        slot.count(INVOCATIONS, Tally(0.0, seconds, 200))
    assert board.totals().buckets == [2, *[1] * len(BOUNDS)]


def test_a_worker_goes_on_where_a_dead_one_has_stopped() -> None:
    board = Board(1)
    slot = board.slot(0)
    slot.begin(100)
    slot.count(INVOCATIONS, Tally(status=200, unknown_rows=1, unknown_movies=1))
    slot.set_load(Load(in_progress=5, queued=2, connections=7))
    assert board.totals().number(Cell.RESTARTS) == 0

    successor = board.slot(0)
    successor.begin(101)
    successor.count(INVOCATIONS, Tally(status=200))
    totals = board.totals()
    assert totals.requests()[INVOCATIONS, 200] == 2
    assert totals.number(Cell.UNKNOWN_MOVIES) == 1
    assert totals.number(Cell.RESTARTS) == 1
    # What the dead one was busy with is gone.
    assert totals.number(Cell.IN_PROGRESS) == totals.number(Cell.CONNECTIONS) == 0


def test_growth_is_that_of_counts_and_not_of_what_is_now() -> None:
    board = Board(1)
    slot = board.slot(0)
    slot.set_load(Load(in_progress=3))
    slot.refused(400)
    before = board.totals()
    slot.refused(400)
    slot.refused(408)
    grown = board.totals().since(before.cells)
    counts = grown.requests()
    assert (counts[OTHER, 400], counts[OTHER, 408]) == (1, 1)
    assert grown.number(Cell.IN_PROGRESS) == 3


def test_invocations_are_shown_before_they_occur() -> None:
    counts = Board(1).totals().requests()
    assert counts == {(INVOCATIONS, status): 0 for status in STATUSES}
