"""What metrics and the log of requests cost, in processor time for each request.

Servers without them and servers with each run side by side, each with one worker. They
take turns, in an order that changes from round to round, and what the processes of a
server have taken during its turn is divided by the requests. So whatever else keeps the
machine busy meets all of them alike.

Two servers that are started alike differ by a few percent, because their memory lies
differently. So there are several of each kind, and the table has the mean of their
medians, and the medians of the quickest and of the slowest.

Options: ``--base-dir DIR`` for a model that exists already, ``--servers N`` (8) of each
kind, ``--rounds N`` (100), ``--requests N`` (150) for each turn.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from benchmarks.load import processes_of
from benchmarks.results import console, save
from benchmarks.serving import DIRECTORY, fit
from benchmarks.stacks import CSV, HALFSTAR, JSON, Running, running
from launcher.ports import LOOPBACK, free_port

OFF = "off"
METRICS = "metrics"
LOG = "the log of requests"
BOTH = "both"
KINDS = (OFF, METRICS, LOG, BOTH)
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
        medians: microseconds of processor time for a request, a median for each server.
    """

    medians: list[float]

    @property
    def mean(self) -> float:
        """Of the medians."""
        return statistics.mean(self.medians)


def main() -> None:
    """Measure, print a table and write the figures."""
    options = _options()
    screen = console()
    base_dir = options.base_dir
    if base_dir is None:
        base_dir = DIRECTORY
        fit(base_dir)
    figures: dict[str, dict[str, Cost]] = {}
    with contextlib.ExitStack() as stack:
        servers: dict[str, list[Running]] = {name: [] for name in KINDS}
        for number in range(options.servers):
            for name in KINDS:
                folder = DIRECTORY / "metrics" / f"{name}-{number}".replace(" ", "-")
                ours = replace(
                    HALFSTAR, environment={**HALFSTAR.environment, **_environment(name)}
                )
                server = running(ours, base_dir, 1, folder)
                servers[name].append(stack.enter_context(server))
        for body in BODIES:
            figures[body] = measure(servers, body, options.rounds, options.requests)

    table = Table("", *BODIES)
    for name in KINDS:
        costs = [(figures[body][name], figures[body][OFF]) for body in BODIES]
        table.add_row(name, *(_cell(cost, off) for cost, off in costs))
    screen.print(table)
    medians = {
        body: {name: cost.medians for name, cost in costs.items()}
        for body, costs in figures.items()
    }
    save("metrics", medians, screen)


def measure(
    servers: dict[str, list[Running]], body: str, rounds: int, requests: int
) -> dict[str, Cost]:
    """The cost of each kind of server for one kind of request."""
    clients = [
        Client(name, server, *BODIES[body])
        for name, alike in servers.items()
        for server in alike
    ]
    for client in clients:
        client.ask(WARM_UP)
    order = list(clients)
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for client in order:
            client.take_turn(requests)

    medians: dict[str, list[float]] = {name: [] for name in servers}
    for client in clients:
        medians[client.kind].append(statistics.median(client.taken))
    return {name: Cost(found) for name, found in medians.items()}


class Client:
    """One connection to a server.

    Attributes:
        kind: of the server.
        taken: microseconds of processor time that each request of a turn has taken the
            server.

    Args:
        kind: of the server.
        server: it has one worker.
        content_type: of the requests.
        body: of the requests.
    """

    def __init__(
        self, kind: str, server: Running, content_type: str, body: bytes
    ) -> None:
        self.kind = kind
        self.taken: list[float] = []
        port = int(server.url.rpartition(":")[2])
        self._connection = http.client.HTTPConnection(LOOPBACK, port)
        self._headers = {"content-type": content_type}
        self._body = body
        self._pids = processes_of(server)

    def take_turn(self, requests: int) -> None:
        """Send so many requests, and note what each has taken the server."""
        before = nanoseconds_of(self._pids)
        self.ask(requests)
        taken = nanoseconds_of(self._pids) - before
        self.taken.append(taken / requests / 1000)

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


def _environment(kind: str) -> dict[str, str]:
    """What a kind of server is told."""
    environment = {}
    if kind in (METRICS, BOTH):
        environment["HALFSTAR_METRICS_PORT"] = str(free_port())
    if kind in (LOG, BOTH):
        environment["HALFSTAR_REQUEST_LOG"] = "true"
    return environment


def _cell(cost: Cost, off: Cost) -> str:
    quickest = min(cost.medians)
    slowest = max(cost.medians)
    told = f"{cost.mean:.1f} µs ({quickest:.1f} to {slowest:.1f})"
    if cost is off:
        return told
    return f"{told}, {100 * (cost.mean / off.mean - 1):+.1f} %"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--requests", type=int, default=150)
    return parser.parse_args()


if __name__ == "__main__":
    main()
