"""Counts that the processes of a server share.

Each worker has a slot in memory that all processes see. It is the only one that writes
there, a number at a time, so there are no locks. The worker that takes the place of a
dead one goes on in its slot: what was counted stays. A worker counts ten times a second
(`serve.operations.observer`), so what a dead one answered in its last tenth is lost.

Why not the library prometheus_client? With several processes it keeps a file for each,
in a directory that must be writable and emptied, and the files of dead workers stay. It
takes a lock for each number, and several microseconds a request.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.errors import CODES
from serve.operations.tally import GONE, Tally

Floats = NDArray[np.float64]

INVOCATIONS = "invocations"
OTHER = "other"
ROUTES = (INVOCATIONS, "ping", "execution-parameters", "models", OTHER)
STATUSES = (200, 204, *sorted(CODES | {GONE: ""}))

# Upper bounds of the classes of durations, in seconds.
BOUNDS = (
    0.0002,
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
)


class Cell(IntEnum):
    """A number of a slot, other than requests and durations."""

    SECONDS = 0
    PREDICTIONS = auto()
    QUESTIONS = auto()
    BAD_ROWS = auto()
    UNKNOWN_ROWS = auto()
    UNKNOWN_USERS = auto()
    UNKNOWN_MOVIES = auto()
    RESTARTS = auto()
    # What is now, not since the start.
    IN_PROGRESS = auto()
    QUEUED = auto()
    CONNECTIONS = auto()
    ARRIVED_BYTES = auto()
    MODELS = auto()
    PID = auto()


_NOW = slice(Cell.IN_PROGRESS, Cell.PID + 1)
_FIRST_BUCKET = len(Cell)
_FIRST_REQUEST = _FIRST_BUCKET + len(BOUNDS) + 1
_PLACES = [(route, status) for route in ROUTES for status in STATUSES]
_REQUESTS = {place: _FIRST_REQUEST + n for n, place in enumerate(_PLACES)}
N_CELLS = _FIRST_REQUEST + len(_PLACES)
_CELL_BYTES = 8

# Plain numbers, for what is done with each request. Members of an enumeration are
# looked up more slowly.
_SECONDS = int(Cell.SECONDS)
_PREDICTIONS = int(Cell.PREDICTIONS)


class Load(NamedTuple):
    """What a worker is busy with at a moment.

    Attributes:
        in_progress: requests that aren't answered.
        queued: those among them that wait for a thread, or for memory.
        connections: clients.
        arrived_bytes: of requests, as they came.
        models: that are loaded.
    """

    in_progress: int = 0
    queued: int = 0
    connections: int = 0
    arrived_bytes: int = 0
    models: int = 0


class Slot:
    """A worker's counts, which that worker writes."""

    def __init__(self, cells: memoryview[float]) -> None:
        self._cells = cells

    def begin(self, pid: int) -> None:
        """A worker with this process id begins, perhaps in the place of a dead one."""
        if self._cells[Cell.PID]:
            self._cells[Cell.RESTARTS] += 1
        self._cells[Cell.PID] = pid
        self.set_load(Load())

    def count(self, route: str, tally: Tally) -> None:
        """A request is over; its route is one of `ROUTES`."""
        cells = self._cells
        cells[_REQUESTS[route, tally.status]] += 1
        if route != INVOCATIONS or tally.status == GONE:
            return
        seconds = tally.ended - tally.began
        cells[_SECONDS] += seconds
        cells[_FIRST_BUCKET + bisect_left(BOUNDS, seconds)] += 1
        cells[_PREDICTIONS] += tally.predictions
        if tally.questions or tally.bad_rows or tally.unknown_rows:
            self._count_rows(tally)

    def _count_rows(self, tally: Tally) -> None:
        """Count the rows that few requests have."""
        cells = self._cells
        cells[Cell.QUESTIONS] += tally.questions
        cells[Cell.BAD_ROWS] += tally.bad_rows
        cells[Cell.UNKNOWN_ROWS] += tally.unknown_rows
        cells[Cell.UNKNOWN_USERS] += tally.unknown_users
        cells[Cell.UNKNOWN_MOVIES] += tally.unknown_movies

    def refused(self, status: int) -> None:
        """What a client has sent was refused before it became a request."""
        self._cells[_REQUESTS[OTHER, status]] += 1

    def set_load(self, load: Load) -> None:
        """Say what the worker is busy with now."""
        cells = self._cells
        cells[Cell.IN_PROGRESS] = load.in_progress
        cells[Cell.QUEUED] = load.queued
        cells[Cell.CONNECTIONS] = load.connections
        cells[Cell.ARRIVED_BYTES] = load.arrived_bytes
        cells[Cell.MODELS] = load.models


class Board:
    """The slots of all workers, made before these are forked.

    Args:
        n_workers: how many there are.

    Attributes:
        reported: float64 (N_CELLS,), shared too. It is for whoever reports in periods,
            and holds what was counted until the end of the last one.
    """

    def __init__(self, n_workers: int) -> None:
        n_bytes = (n_workers + 1) * N_CELLS * _CELL_BYTES
        # Unlike a file, it needs no place, and it is gone with the last process.
        shared = mmap.mmap(-1, n_bytes)
        self._cells = memoryview(shared).cast("d")
        self._all = np.frombuffer(shared).reshape(-1, N_CELLS)
        self.reported: Floats = self._all[n_workers]

    def slot(self, worker: int) -> Slot:
        """The slot of a worker, from 0."""
        start = worker * N_CELLS
        return Slot(self._cells[start : start + N_CELLS])

    def pids(self) -> list[int]:
        """The process id of each worker, 0 for one that hasn't begun."""
        pids: list[int] = self._all[:-1, Cell.PID].astype(int).tolist()
        return pids

    def totals(self) -> Totals:
        """The sums over all workers."""
        return Totals(self._all[:-1].sum(axis=0))


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of all slots, or how much they have grown.

    Attributes:
        cells: float64 (N_CELLS,).
    """

    cells: Floats

    def since(self, earlier: Floats) -> Totals:
        """What was counted since then, and what is now."""
        grown = self.cells - earlier
        grown[_NOW] = self.cells[_NOW]
        return Totals(grown)

    def number(self, cell: Cell) -> int:
        """A whole number."""
        return int(self.cells[cell])

    @property
    def seconds(self) -> float:
        """The durations of all invocations that were answered."""
        return float(self.cells[Cell.SECONDS])

    @property
    def buckets(self) -> list[int]:
        """How many of them fall in each class; one more than `BOUNDS`."""
        buckets = self.cells[_FIRST_BUCKET:_FIRST_REQUEST]
        numbers: list[int] = buckets.astype(int).tolist()
        return numbers

    def requests(self) -> dict[tuple[str, int], int]:
        """How many requests there were, by route and status.

        Invocations have all statuses. Their numbers begin at 0, since growth from
        nothing is no growth to Prometheus. Other routes have those that occurred.
        """
        counts = {}
        for (route, status), cell in _REQUESTS.items():
            count = int(self.cells[cell])
            if count or route == INVOCATIONS:
                counts[route, status] = count
        return counts
