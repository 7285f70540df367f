"""Counts that the processes of a server share.

Each worker has a slot in memory that all processes see. It is the only one that writes
there, a number at a time, so there are no locks. The worker that takes the place of a
dead one goes on in its slot: what was counted stays.

A request is counted when it is over, in C (``_recorder.c``): in Python that would take
four times as long.

Why not the library prometheus_client? With several processes it keeps a file for each,
in a directory that must be writable and emptied, and the files of dead workers stay. It
takes a lock for each number, and several microseconds a request.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.errors import CODES
from serve.operations._recorder import Recorder
from serve.operations.request_log import LogSettings
from serve.operations.tally import GONE, Tally

Floats = NDArray[np.float64]

INVOCATIONS = "invocations"
OTHER = "other"
ROUTES = (INVOCATIONS, "ping", "execution-parameters", "models", OTHER)
PING = ROUTES.index("ping")
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

    # What is counted of each request comes first, in the order of ``_recorder.c``.
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

_PATHS = {f"/{route}": place for place, route in enumerate(ROUTES) if route != OTHER}
_MODELS = "/models/"
_INVOKE = "/invoke"


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
    """A worker's counts, which that worker writes.

    Args:
        cells: in which it counts, float64 (N_CELLS,).
        log: of requests; None if they aren't logged.

    Attributes:
        recorder: records requests that are over, in this slot and in the log.
    """

    def __init__(
        self, cells: memoryview[float], log: LogSettings | None = None
    ) -> None:
        self._cells = cells
        self.recorder = Recorder(
            cells,
            first_bucket=_FIRST_BUCKET,
            bounds=BOUNDS,
            first_request=_FIRST_REQUEST,
            statuses=STATUSES,
            routes=ROUTES,
            paths=_PATHS,
            route_of=_other_route,
            log=log,
            counts_type=Tally,
        )

    def begin(self, pid: int) -> None:
        """A worker with this process id begins, perhaps in the place of a dead one."""
        if self._cells[Cell.PID]:
            self._cells[Cell.RESTARTS] += 1
        self._cells[Cell.PID] = pid
        self.set_load(Load())

    def count(self, route: str, tally: Tally) -> None:
        """A request is over; its route is one of `ROUTES`."""
        self.recorder.count(tally, ROUTES.index(route))

    def refused(self, status: int) -> None:
        """What a client has sent was refused before it became a request."""
        self.count(OTHER, Tally(status=status))

    def set_load(self, load: Load) -> None:
        """Say what the worker is busy with now."""
        cells = self._cells
        cells[Cell.IN_PROGRESS] = load.in_progress
        cells[Cell.QUEUED] = load.queued
        cells[Cell.CONNECTIONS] = load.connections
        cells[Cell.ARRIVED_BYTES] = load.arrived_bytes
        cells[Cell.MODELS] = load.models


def route_of(path: str) -> str:
    """The one of `ROUTES` to which a path belongs.

    Example:
        >>> route_of("/ping")
        'ping'
        >>> route_of("/models/a/invoke")
        'invocations'
        >>> route_of("/models/a")
        'models'
        >>> route_of("/favicon.ico")
        'other'
    """
    place = _PATHS.get(path)
    return ROUTES[_other_route(path) if place is None else place]


def _other_route(path: str) -> int:
    """The place in `ROUTES` of a path that isn't a route itself."""
    if not path.startswith(_MODELS):
        return ROUTES.index(OTHER)
    return ROUTES.index(INVOCATIONS if path.endswith(_INVOKE) else "models")


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

    def slot(self, worker: int, log: LogSettings | None = None) -> Slot:
        """The slot of a worker, from 0."""
        start = worker * N_CELLS
        return Slot(self._cells[start : start + N_CELLS], log)

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
