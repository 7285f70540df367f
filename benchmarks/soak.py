"""A long run of everything at once: right, wrong, slow and endless requests.

Good clients ask for predictions in every format, for lists of movies, and with
histories. They compare each answer byte for byte with what the model says. Bad clients
send what is in `benchmarks.attacks`. A worker is killed every 20 s, but never the
oldest, whose memory shows whether anything leaks.

It exits with 1 if

- a good request got anything but its answer, unless its worker was killed;
- a bad request got anything but a refusal;
- memory grew by more than 5 %;
- the server didn't stop.

Options: ``--minutes M`` (10), ``--base-dir DIR`` for a model that exists already.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.attacks import ATTACKS, attack
from benchmarks.results import console, save
from benchmarks.serving import DIRECTORY, fit
from benchmarks.stacks import CSV, HALFSTAR, JSON, Running, running
from launcher.ports import LOOPBACK
from serve.endpoint import answer
from serve.negotiation import RequestHeaders
from serve.served_model import ServedModel, load

JSON_LINES = "application/jsonlines"

N_WORKERS = 3
N_GOOD_CLIENTS = 3
N_BAD_CLIENTS = 3
N_SLOW_CONNECTIONS = 20

SECONDS_BETWEEN_KILLS = 20.0
SECONDS_BETWEEN_SAMPLES = 2.0
SECONDS_BETWEEN_SLOW_BYTES = 1.0

# A connection to a worker that was killed is found broken when it is next used.
FORGIVEN_SECONDS = 5.0
MAX_GROWTH = 0.05

# A connection is closed after about so many requests. So each worker has its share from
# the start, the watched one too.
REQUESTS_A_CONNECTION = 100

MAX_FAULTS_SHOWN = 20

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Case:
    """A good request and the bytes of its answer."""

    content_type: str
    body: bytes
    answer: bytes


@dataclass
class Tally:
    """What has happened so far; each thread counts under the lock.

    Attributes:
        counts: requests by kind.
        faults: what shouldn't have happened, in words.
        killed: when workers were killed, by `time.monotonic`.
        memory: MiB that the oldest worker had, sampled.
        lock: held while counting.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    killed: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, fault: str = "") -> None:
        """Count a request, and its fault if it has one."""
        with self.lock:
            self.counts[kind] += 1
            if fault:
                self.faults.append(fault)

    def has_just_killed(self) -> bool:
        """Whether the killing of a worker may be why a request failed."""
        now = time.monotonic()
        return any(now - moment < FORGIVEN_SECONDS for moment in list(self.killed))


class RequestMaker:
    """Makes random good requests about what a model knows."""

    def __init__(self, served: ServedModel, seed: int) -> None:
        self._rng = random.Random(seed)
        self._users = served.model.spec.users.ids.tolist()
        self._movies = served.model.movies.movie_id.tolist()

    def user(self) -> int:
        """The id of a known user."""
        user_id: int = self._rng.choice(self._users)
        return user_id

    def row(self) -> dict[str, int]:
        """A user, a movie and a time."""
        return {
            "userId": self.user(),
            "movieId": self._rng.choice(self._movies),
            "timestamp": self._rng.randrange(10**9, 15 * 10**8),
        }

    def history(self) -> list[dict[str, float]]:
        """Twenty ratings."""
        movies = self._rng.sample(self._movies, 20)
        return [
            {"movieId": movie, "rating": self._rng.randrange(1, 11) / 2}
            for movie in movies
        ]

    def csv(self, n_rows: int) -> bytes:
        """Rows as CSV."""
        lines = []
        for _ in range(n_rows):
            values = [str(value) for value in self.row().values()]
            lines.append(",".join(values))
        return "\n".join(lines).encode()

    def json_lines(self, n_rows: int) -> bytes:
        """Rows as JSON Lines."""
        lines = [json.dumps(self.row()) for _ in range(n_rows)]
        return "\n".join(lines).encode()

    def instances(self, n_rows: int) -> bytes:
        """Rows as ``{"instances": [...]}``."""
        return as_json({"instances": [self.row() for _ in range(n_rows)]})


def as_json(value: object) -> bytes:
    """A body of JSON."""
    return json.dumps(value).encode()


def make_cases(served: ServedModel, seed: int = 1) -> list[Case]:
    """Good requests of every kind and length, with their answers."""
    make = RequestMaker(served, seed)
    requests: list[tuple[str, bytes]] = []
    for _ in range(20):
        requests += [
            (CSV, make.csv(1)),
            (CSV, make.csv(100)),
            (JSON, as_json(make.row())),
            (JSON_LINES, make.json_lines(30)),
            (JSON, as_json(make.row() | {"history": make.history()})),
        ]
    for _ in range(3):
        requests += [
            (CSV, make.csv(10_000)),
            (JSON, make.instances(2_000)),
            (JSON, as_json({"userId": make.user(), "recommend": 10})),
            (f"{CSV}; recommend=5; min_ratings=20", b"%d" % make.user()),
            (JSON, as_json({"recommend": 10, "history": make.history()})),
            (JSON, as_json({"onboarding": 10, "history": make.history()})),
        ]
    cases = []
    for content_type, body in requests:
        whole = answer(served, RequestHeaders(content_type), body).whole()
        cases.append(Case(content_type, body, whole.body))
    return cases


def ask_well(
    address: Address,
    cases: list[Case],
    tally: Tally,
    is_over: threading.Event,
    seed: int,
) -> None:
    """Send one good request after the other."""
    rng = random.Random(seed)
    connection = http.client.HTTPConnection(*address, timeout=60)
    while not is_over.is_set():
        if rng.random() < 1 / REQUESTS_A_CONNECTION:
            connection.close()  # the next request opens another
        case = rng.choice(cases)
        headers = {"Content-Type": case.content_type}
        try:
            connection.request("POST", "/invocations", case.body, headers)
            response = connection.getresponse()
            received = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            fault = f"{case.content_type}, {len(case.body)} bytes: {error!r}"
            tally.add("good", "" if tally.has_just_killed() else fault)
            tally.add("lost with their worker")
            continue
        if response.status == 200 and received == case.answer:
            tally.add("good")
        else:
            start = received[:200]
            tally.add("good", f"{case.content_type}: {response.status} {start!r}")
    connection.close()


def ask_badly(
    address: Address, tally: Tally, is_over: threading.Event, seed: int
) -> None:
    """Send one attack after the other."""
    rng = random.Random(seed)
    while not is_over.is_set():
        statuses, fault = attack(address, rng.choice(ATTACKS))
        # A worker that is killed hangs up without an answer.
        is_forgiven = not statuses and tally.has_just_killed()
        tally.add("bad", "" if is_forgiven else fault)


def ask_slowly(address: Address, tally: Tally, is_over: threading.Event) -> None:
    """Keep many connections that send a byte of a head now and then.

    A connection that the server closes is opened again.
    """
    connections: list[socket.socket] = []
    while not is_over.wait(SECONDS_BETWEEN_SLOW_BYTES):
        while len(connections) < N_SLOW_CONNECTIONS:
            connection = socket.create_connection(address, timeout=10)
            connection.sendall(b"POST /invocations HTTP/1.1\r\nx-slow: ")
            connections.append(connection)
            tally.add("slow")
        for connection in list(connections):
            try:
                connection.sendall(b"x")
            except OSError:
                connections.remove(connection)
                connection.close()
    for connection in connections:
        connection.close()


def workers_of(server: Running) -> list[int]:
    """The process ids of the workers, oldest first."""
    pid = server.processes[0].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    workers = [int(child) for child in children]
    return sorted(
        workers, key=lambda worker: Path(f"/proc/{worker}").stat().st_ctime_ns
    )


def kill_workers(server: Running, tally: Tally, is_over: threading.Event) -> None:
    """Kill a worker now and then, but never the oldest."""
    oldest = workers_of(server)[0]
    while not is_over.wait(SECONDS_BETWEEN_KILLS):
        others = [worker for worker in workers_of(server) if worker != oldest]
        victim = random.choice(others)
        tally.killed.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)


def watch_memory(server: Running, tally: Tally, is_over: threading.Event) -> None:
    """Sample the memory of the oldest worker, shared or not."""
    oldest = workers_of(server)[0]
    while not is_over.wait(SECONDS_BETWEEN_SAMPLES):
        status = Path(f"/proc/{oldest}/status").read_text()
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name == "VmRSS":
                kib, _ = value.split()
                tally.memory.append(int(kib) / 1024)


def soak(server: Running, cases: list[Case], minutes: float) -> Tally:
    """Do all of it at once for that long."""
    tally = Tally()
    is_over = threading.Event()
    port = int(server.url.rpartition(":")[2])
    address = (LOOPBACK, port)

    tasks: list[Callable[[], None]] = [
        partial(ask_slowly, address, tally, is_over),
        partial(kill_workers, server, tally, is_over),
        partial(watch_memory, server, tally, is_over),
    ]
    for seed in range(N_GOOD_CLIENTS):
        tasks.append(partial(ask_well, address, cases, tally, is_over, seed))
    for seed in range(N_BAD_CLIENTS):
        tasks.append(partial(ask_badly, address, tally, is_over, seed))

    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(task) for task in tasks]
        wait(futures, timeout=60 * minutes, return_when=FIRST_EXCEPTION)
        is_over.set()
    for future in futures:
        future.result()
    return tally


def growth_of(memory: list[float]) -> float:
    """How much memory grew, as a share.

    It is from the second quarter, by when everything has been asked once, to the last.
    """
    quarter = len(memory) // 4
    before = statistics.median(memory[quarter : 2 * quarter])
    after = statistics.median(memory[-quarter:])
    return after / before - 1


def main() -> None:
    """Soak, print what happened, write the JSON; exits with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--base-dir", type=Path)
    options = parser.parse_args()
    if options.base_dir is None:
        base_dir = DIRECTORY / "model"
        fit(base_dir)
    else:
        base_dir = options.base_dir.resolve()

    cases = make_cases(load(base_dir / "model"))
    with running(HALFSTAR, base_dir, N_WORKERS, DIRECTORY / "soak") as server:
        tally = soak(server, cases, options.minutes)
        server.processes[0].send_signal(signal.SIGTERM)
        exit_status = server.processes[0].wait(timeout=30)

    growth = growth_of(tally.memory)
    if exit_status:
        tally.faults.append(f"the server exited with {exit_status}")
    if growth > MAX_GROWTH:
        tally.faults.append(f"memory grew by {100 * growth:.1f} %")

    screen = console()
    for fault in tally.faults[:MAX_FAULTS_SHOWN]:
        screen.print(fault, markup=False)
    counts = [f"{count:,} {kind}" for kind, count in sorted(tally.counts.items())]
    screen.print(
        f"{options.minutes:g} minutes, requests: {', '.join(counts)}; "
        f"{len(tally.killed)} workers killed"
    )
    screen.print(
        f"memory {tally.memory[0]:.0f} to {tally.memory[-1]:.0f} MiB, "
        f"{100 * growth:+.1f} %"
    )
    screen.print(f"{len(tally.faults)} faults")
    results: dict[str, Any] = {
        "minutes": options.minutes,
        "requests": dict(tally.counts),
        "workers_killed": len(tally.killed),
        "memory_mib": tally.memory,
        "memory_growth": growth,
        "faults": tally.faults,
    }
    save("soak", results, screen)
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
