"""What metrics and the log of requests cost, measured within one process.

`benchmarks.metrics` measures whole servers, which differ from each other by more than
this costs. Here one process has all kinds of connections over one model. They get the
same bytes in turns, without a socket between, and what a turn takes is compared with
what the one without metrics took in the same round.

Options: ``--base-dir DIR`` for a model that exists already, ``--rounds N`` (200),
``--requests N`` (500) for each turn.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import statistics
import time
from pathlib import Path

import uvloop
from rich.table import Table
from uvicorn.server import ServerState

from benchmarks.metrics import BODIES, BOTH, METRICS, OFF
from benchmarks.results import console, save
from benchmarks.serving import DIRECTORY, fit
from serve.app import Application
from serve.connection import Connection, Shared
from serve.limits import ClientLimits
from serve.operations.counters import PING, Board
from serve.operations.observer import Observer
from serve.operations.request_log import request_log
from serve.pressure import ArrivedBytes, OpenConnections
from serve.resources import MIB
from serve.served_model import ServedModel, load
from serve.settings import ServeSettings

# A server without metrics twice, to see what the measurement itself makes of equals.
OFF_AGAIN = "off, again"
KINDS = (OFF, OFF_AGAIN, METRICS, BOTH)
WARM_UP = 500


class NoSocket(asyncio.Transport):
    """Takes answers and forgets them.

    Attributes:
        n_answers: how many it took.
    """

    n_answers = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take an answer."""
        assert bytes(data[:12]) == b"HTTP/1.1 200"
        self.n_answers += 1

    def is_closing(self) -> bool:
        """It never closes."""
        return False

    def resume_reading(self) -> None:
        """What is asked waits until it is answered, so this has nothing to do."""


class Kind:
    """A connection, and what watches it.

    Attributes:
        taken: microseconds of processor time that each request of a turn has taken.
    """

    def __init__(self, name: str, served: ServedModel, settings: ServeSettings) -> None:
        self.taken: list[float] = []
        application = Application(served, settings)
        self._observer: Observer | None = None
        if name in (METRICS, BOTH):
            log = request_log(PING) if name == BOTH else None
            slot = Board(1).slot(0, log)
            self._observer = Observer(application, slot, _forget)
        limits = ClientLimits()
        shared = Shared(
            application,
            limits,
            ArrivedBytes(64 * MIB),
            OpenConnections(limits.connections),
            self._observer,
        )
        self._connection = Connection(shared, ServerState())
        self._transport = NoSocket()
        self._connection.connection_made(self._transport)

    async def take_turn(self, request: bytes, count: int) -> None:
        """Answer so many requests, and note what each has taken."""
        n_answers = self._transport.n_answers + count
        before = time.process_time_ns()
        for _ in range(count):
            self._connection.data_received(request)
            await asyncio.sleep(0)  # in which the application answers
        if self._observer is not None:
            self._observer.sample(1, 1, 0)
        self.taken.append((time.process_time_ns() - before) / count / 1000)
        assert self._transport.n_answers == n_answers


def main() -> None:
    """Measure, print a table and write the figures."""
    options = _options()
    screen = console()
    base_dir = options.base_dir
    if base_dir is None:
        base_dir = DIRECTORY
        fit(base_dir)
    settings = ServeSettings.from_environment({"SAGEMAKER_BASE_DIR": str(base_dir)})
    served = load(settings.model_dir)
    gc.collect()
    gc.freeze()  # as the server does

    figures: dict[str, dict[str, list[float]]] = {}
    for body in BODIES:
        measuring = measure(served, settings, body, options.rounds, options.requests)
        figures[body] = uvloop.run(measuring)

    table = Table("", *BODIES)
    for name in KINDS:
        table.add_row(name, *(_cell(figures[body], name) for body in BODIES))
    screen.print(table)
    save("recording", figures, screen)


async def measure(
    served: ServedModel, settings: ServeSettings, body: str, rounds: int, requests: int
) -> dict[str, list[float]]:
    """What a request of each kind takes, a figure a round."""
    content_type, content = BODIES[body]
    request = (
        b"POST /invocations HTTP/1.1\r\n"
        b"host: 127.0.0.1:8080\r\n"
        b"accept-encoding: identity\r\n"
        b"content-length: %d\r\n"
        b"content-type: %b\r\n\r\n%b"
    ) % (len(content), content_type.encode(), content)
    kinds = {name: Kind(name, served, settings) for name in KINDS}
    for kind in kinds.values():
        await kind.take_turn(request, WARM_UP)
        kind.taken.clear()

    order = list(kinds.values())
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for kind in order:
            await kind.take_turn(request, requests)
    return {name: kind.taken for name, kind in kinds.items()}


def _cell(taken: dict[str, list[float]], name: str) -> str:
    """The median, and that of the differences from the first, with their quartiles."""
    median = statistics.median(taken[name])
    if name == OFF:
        return f"{median:.1f} µs"
    more = [one - off for one, off in zip(taken[name], taken[OFF], strict=True)]
    low, middle, high = statistics.quantiles(more, n=4)
    return f"{median:.1f} µs, {middle:+.2f} µs ({low:+.2f} to {high:+.2f})"


def _forget(lines: bytes) -> None:
    with Path(os.devnull).open("wb") as file:
        file.write(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--requests", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    main()
