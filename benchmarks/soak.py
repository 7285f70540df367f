"""A long while of everything at once: right and wrong requests, slow ones, endless
ones, and workers that are killed.

Clients ask for predictions in every format, recommendations and histories, and compare
each answer byte for byte with what the model says. Others send what is in `attacks`. A
worker is killed every 20 s, never the oldest, whose memory tells whether anything is
kept. It ends with 1 if a good request got anything but its answer (unless the worker
that had it was killed), if a bad one got something else than a refusal, if memory grew
by more than 5 %, or if the server wouldn't stop.

Options: ``--minutes M`` (10), ``--base-dir DIR`` for a model that is there already.
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
from pathlib import Path

from benchmarks.attacks import ATTACKS, attack
from benchmarks.results import console, save
from benchmarks.serving import DIRECTORY, fit
from benchmarks.stacks import HALFSTAR, Running, running
from serve.endpoint import answer
from serve.negotiation import RequestHeaders
from serve.served_model import ServedModel, load

WORKERS, GOOD_CLIENTS, BAD_CLIENTS = 3, 3, 3
KILL_EVERY_S, SAMPLE_EVERY_S = 20.0, 2.0
# A connection to a worker that is gone is found broken when it is next used.
FORGIVEN_S = 5.0
MOST_GROWTH = 0.05
SLOW_CLIENTS, SLOW_S = 20, 1.0
# About so many requests over one connection: then each worker has its share from the
# start, the watched one too.
KEPT_REQUESTS = 100


@dataclass(frozen=True, slots=True)
class Case:
    """A good request and the bytes of its answer."""

    content_type: str
    body: bytes
    answer: bytes


@dataclass
class Tally:
    """What came of it; each thread counts under the lock.

    Attributes:
        counts: of requests by kind.
        faults: what shouldn't have happened, in words.
        killed: when workers were killed, by `time.monotonic`.
        memory: MiB that the oldest worker holds, sampled.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    killed: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def was_just_killed(self) -> bool:
        """Whether a worker that was killed may be why a request found nobody."""
        return any(
            0 <= time.monotonic() - moment < FORGIVEN_S for moment in list(self.killed)
        )

    def add(self, kind: str, fault: str = "") -> None:
        """Count one."""
        with self.lock:
            self.counts[kind] += 1
            if fault:
                self.faults.append(fault)


def cases(served: ServedModel, seed: int = 1) -> list[Case]:
    """Good requests of every kind and length, with their answers."""
    rng = random.Random(seed)
    users, movies = (
        served.model.spec.users.ids.tolist(),
        served.model.movies.movie_id.tolist(),
    )

    def row() -> dict[str, int]:
        return {
            "userId": rng.choice(users),
            "movieId": rng.choice(movies),
            "timestamp": rng.randrange(10**9, 15 * 10**8),
        }

    def history() -> list[dict[str, float]]:
        return [
            {"movieId": movie, "rating": rng.randrange(1, 11) / 2}
            for movie in rng.sample(movies, 20)
        ]

    def csv(n_rows: int) -> bytes:
        return "\n".join(
            ",".join(map(str, row().values())) for _ in range(n_rows)
        ).encode()

    made: list[tuple[str, bytes]] = []
    for _ in range(20):
        made += [("text/csv", csv(1)), ("text/csv", csv(100))]
        made.append(("application/json", json.dumps(row()).encode()))
        made.append(
            (
                "application/jsonlines",
                "\n".join(json.dumps(row()) for _ in range(30)).encode(),
            )
        )
        made.append(
            ("application/json", json.dumps(row() | {"history": history()}).encode())
        )
    for _ in range(3):
        made.append(("text/csv", csv(10_000)))
        made.append(
            (
                "application/json",
                json.dumps({"instances": [row() for _ in range(2000)]}).encode(),
            )
        )
        made.append(
            (
                "application/json",
                json.dumps({"userId": rng.choice(users), "recommend": 10}).encode(),
            )
        )
        made.append(
            ("text/csv; recommend=5; min_ratings=20", b"%d" % rng.choice(users))
        )
        made.append(
            (
                "application/json",
                json.dumps({"recommend": 10, "history": history()}).encode(),
            )
        )
    return [
        Case(kind, body, answer(served, RequestHeaders(kind), body).whole().body)
        for kind, body in made
    ]


def ask_well(
    address: tuple[str, int],
    known: list[Case],
    tally: Tally,
    over: threading.Event,
    seed: int,
) -> None:
    """Ask one good question after the other over connections that are kept for a while."""
    rng, connection = (
        random.Random(seed),
        http.client.HTTPConnection(*address, timeout=60),
    )
    while not over.is_set():
        if rng.random() < 1 / KEPT_REQUESTS:
            connection.close()  # the next request opens another
        case = rng.choice(known)
        try:
            connection.request(
                "POST", "/invocations", case.body, {"Content-Type": case.content_type}
            )
            response = connection.getresponse()
            found = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            is_forgiven = tally.was_just_killed()
            tally.add(
                "good",
                ""
                if is_forgiven
                else f"{case.content_type}, {len(case.body)} bytes: {error!r}",
            )
            tally.add("lost with their worker")
            continue
        is_right = response.status == 200 and found == case.answer
        tally.add(
            "good",
            ""
            if is_right
            else f"{case.content_type}: {response.status} {found[:200]!r}",
        )
    connection.close()


def ask_badly(
    address: tuple[str, int], tally: Tally, over: threading.Event, seed: int
) -> None:
    """One attack after the other; a worker that is killed hangs up without an answer."""
    rng = random.Random(seed)
    while not over.is_set():
        chosen = rng.choice(ATTACKS)
        found, fault = attack(address, chosen)
        tally.add("bad", "" if not found and tally.was_just_killed() else fault)


def be_slow(address: tuple[str, int], tally: Tally, over: threading.Event) -> None:
    """Many connections that send a byte of a head now and then, and start again when
    they are hung up on.
    """
    sockets: list[socket.socket] = []
    while not over.wait(SLOW_S):
        while len(sockets) < SLOW_CLIENTS:
            sockets.append(socket.create_connection(address, timeout=10))
            sockets[-1].sendall(b"POST /invocations HTTP/1.1\r\nx-slow: ")
            tally.add("slow")
        for slow in list(sockets):
            try:
                slow.sendall(b"x")
            except OSError:
                sockets.remove(slow)
                slow.close()
    for slow in sockets:
        slow.close()


def workers_of(server: Running) -> list[int]:
    """The workers, by age."""
    pid = server.processes[0].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted(
        map(int, children), key=lambda child: Path(f"/proc/{child}").stat().st_ctime_ns
    )


def kill_workers(server: Running, tally: Tally, over: threading.Event) -> None:
    """Every while a worker is gone, but the oldest isn't."""
    spared = workers_of(server)[0]
    while not over.wait(KILL_EVERY_S):
        victim = random.choice([pid for pid in workers_of(server) if pid != spared])
        tally.killed.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)


def watch_memory(server: Running, tally: Tally, over: threading.Event) -> None:
    """What the oldest worker doesn't share with others, and what it does."""
    spared = workers_of(server)[0]
    while not over.wait(SAMPLE_EVERY_S):
        lines = Path(f"/proc/{spared}/status").read_text().splitlines()
        (resident,) = [line for line in lines if line.startswith("VmRSS:")]
        tally.memory.append(int(resident.split()[1]) / 1024)


def soak(server: Running, known: list[Case], minutes: float) -> Tally:
    """All of it for so long."""
    tally, over, address = (
        Tally(),
        threading.Event(),
        ("127.0.0.1", int(server.url.rpartition(":")[2])),
    )
    work: list[Callable[[], None]] = [
        *(
            lambda seed=seed: ask_well(address, known, tally, over, seed)
            for seed in range(GOOD_CLIENTS)
        ),
        *(
            lambda seed=seed: ask_badly(address, tally, over, seed)
            for seed in range(BAD_CLIENTS)
        ),
        lambda: be_slow(address, tally, over),
        lambda: kill_workers(server, tally, over),
        lambda: watch_memory(server, tally, over),
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        futures = [pool.submit(each) for each in work]
        wait(futures, timeout=60 * minutes, return_when=FIRST_EXCEPTION)
        over.set()
    for future in futures:
        future.result()
    return tally


def growth_of(memory: list[float]) -> float:
    """From the second quarter, when everything has been asked once, to the last."""
    quarter = len(memory) // 4
    return (
        statistics.median(memory[-quarter:])
        / statistics.median(memory[quarter : 2 * quarter])
        - 1
    )


def main() -> None:
    """Soak, print what came of it, write the JSON; exits 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--base-dir", type=Path)
    asked = parser.parse_args()
    base_dir = (asked.base_dir or DIRECTORY / "model").resolve()
    if asked.base_dir is None:
        fit(base_dir)
    screen = console()
    known = cases(load(base_dir / "model"))
    with running(HALFSTAR, base_dir, WORKERS, DIRECTORY / "soak") as server:
        tally = soak(server, known, asked.minutes)
        server.processes[0].send_signal(signal.SIGTERM)
        status = server.processes[0].wait(timeout=30)
    growth = growth_of(tally.memory)
    if status:
        tally.faults.append(f"the server ended with {status}")
    if growth > MOST_GROWTH:
        tally.faults.append(f"memory grew by {100 * growth:.1f} %")
    for fault in tally.faults[:20]:
        screen.print(fault, markup=False)
    counts = ", ".join(
        f"{count:,} {kind}" for kind, count in sorted(tally.counts.items())
    )
    screen.print(
        f"{asked.minutes:g} minutes, requests: {counts}; {len(tally.killed)} workers killed"
    )
    screen.print(
        f"memory {tally.memory[0]:.0f} to {tally.memory[-1]:.0f} MiB, {100 * growth:+.1f} %"
    )
    screen.print(f"{len(tally.faults)} faults")
    result = {
        "minutes": asked.minutes,
        "requests": dict(tally.counts),
        "workers_killed": len(tally.killed),
        "memory_mib": tally.memory,
        "memory_growth": growth,
        "faults": tally.faults,
    }
    save("soak", result, screen)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
