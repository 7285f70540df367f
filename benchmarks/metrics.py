"""What metrics and the log of requests cost, in processor time for each request.

A server without them and one with each run side by side, with one worker. They take
turns, in an order that changes from round to round, and what the processes of a server
have taken during its turn is divided by the requests. Turns of one round are compared
with each other, so whatever else keeps the machine busy meets all of them alike.

Options: ``--base-dir DIR`` for a model that exists already, ``--rounds N`` (100),
``--requests N`` (150) for each turn.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from benchmarks.load import processes_of
from benchmarks.results import console, save
from benchmarks.serving import DIRECTORY, fit
from benchmarks.stacks import CSV, HALFSTAR, JSON, Running, running
from launcher.ports import LOOPBACK, free_port

OFF = "off"
LOG = "the log of requests"
BODIES = {
    "one row of CSV": (CSV, b"1,318,1137000000"),
    "one row of JSON": (
        JSON,
        b'{"instances": [{"userId": 1, "movieId": 318, "timestamp": 1137000000}]}',
    ),
}
WARM_UP = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """What one kind of server takes.

    Attributes:
        microseconds: of processor time for a request, the median of all turns.
        percent: more than the server without any of this takes in the same round, the
            median.
        quartiles: of the same.
    """

    microseconds: float
    percent: float = 0.0
    quartiles: tuple[float, float] = (0.0, 0.0)


def main() -> None:
    """Measure, print a table and write the figures."""
    options = _options()
    screen = console()
    base_dir = options.base_dir
    if base_dir is None:
        base_dir = DIRECTORY
        fit(base_dir)
    kinds: dict[str, dict[str, str]] = {
        OFF: {},
        "metrics": {"HALFSTAR_METRICS_PORT": str(free_port())},
        LOG: {"HALFSTAR_REQUEST_LOG": "true"},
    }
    table = Table("", *BODIES)
    figures: dict[str, dict[str, Cost]] = {}
    with contextlib.ExitStack() as stack:
        servers: dict[str, Running] = {}
        for name, environment in kinds.items():
            ours = replace(
                HALFSTAR, environment={**HALFSTAR.environment, **environment}
            )
            folder = DIRECTORY / "metrics" / f"server-{len(servers)}"
            server = running(ours, base_dir, 1, folder)
            servers[name] = stack.enter_context(server)
        for body in BODIES:
            figures[body] = measure(servers, body, options.rounds, options.requests)

    for name in kinds:
        table.add_row(name, *(_cell(name, figures[body][name]) for body in BODIES))
    screen.print(table)
    save("metrics", {body: _json(costs) for body, costs in figures.items()}, screen)


def measure(
    servers: dict[str, Running], body: str, rounds: int, requests: int
) -> dict[str, Cost]:
    """The cost of each kind of server for one kind of request."""
    clients = {name: Client(server, *BODIES[body]) for name, server in servers.items()}
    for client in clients.values():
        client.ask(WARM_UP)
    order = list(clients)
    shuffle = random.Random(0).shuffle
    taken: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            taken[name].append(clients[name].turn(requests))
    return {name: _cost(of_kind, taken[OFF]) for name, of_kind in taken.items()}


class Client:
    """One connection to a server.

    Args:
        server: it has one worker.
        content_type: of the requests.
        body: of the requests.
    """

    def __init__(self, server: Running, content_type: str, body: bytes) -> None:
        port = int(server.url.rpartition(":")[2])
        self._connection = http.client.HTTPConnection(LOOPBACK, port)
        self._headers = {"content-type": content_type}
        self._body = body
        self._pids = processes_of(server)

    def turn(self, requests: int) -> float:
        """Microseconds of processor time that the server takes for each request."""
        before = nanoseconds_of(self._pids)
        self.ask(requests)
        return (nanoseconds_of(self._pids) - before) / requests / 1000

    def ask(self, requests: int) -> None:
        """Send so many requests, one after the other."""
        for _ in range(requests):
            self._connection.request("POST", "/invocations", self._body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status


def nanoseconds_of(pids: Iterable[int]) -> int:
    """Processor time that some processes have taken so far, in all their threads."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def _cost(taken: Sequence[float], off: Sequence[float]) -> Cost:
    more = [100 * (each / base - 1) for each, base in zip(taken, off, strict=True)]
    low, middle, high = statistics.quantiles(more, n=4)
    return Cost(statistics.median(taken), middle, (low, high))


def _cell(name: str, cost: Cost) -> str:
    if name == OFF:
        return f"{cost.microseconds:.0f} µs"
    low, high = cost.quartiles
    return f"{cost.percent:+.1f} % ({low:.1f} to {high:.1f})"


def _json(costs: dict[str, Cost]) -> dict[str, object]:
    return {
        name: [cost.microseconds, cost.percent, *cost.quartiles]
        for name, cost in costs.items()
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--requests", type=int, default=150)
    return parser.parse_args()


if __name__ == "__main__":
    main()
