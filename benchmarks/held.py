"""Honest clients while many connections are held that want nothing.

One worker is measured first alone, then with each kind of siege in turn. The besiegers
are a process of their own. They open a connection again when the server has closed it.
Meanwhile honest clients ask for `/ping`, for one row and for longer bodies,
each time by a new connection.

It exits with 1 if an honest request failed, or if the slowest hundredth took more than
a second. The second doesn't hold under those who send gigabytes again and again.

Options: ``--base-dir DIR`` for a model that exists already, ``--seconds S`` (20) for
each kind, ``--kind NAME`` for one of them alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.load import cpu_seconds, processes_of, pss_mib
from benchmarks.results import ROOT, console, save
from benchmarks.serving import DIRECTORY, fit
from benchmarks.stacks import HALFSTAR, Running, running
from launcher.ports import LOOPBACK

Address = tuple[str, int]

SECONDS_BETWEEN_PROBES = 0.02
PROBE_TIMEOUT = 60.0
OPENED_AT_ONCE = 200
SECONDS_TO_OPEN = 60.0
LONGEST_SECONDS = 1.0

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Siege:
    """Connections that are held.

    Attributes:
        name: what they do.
        count: how many.
        start: what each sends at once; then it sends nothing.
        pause_s: seconds from the end of a connection until it is opened again. Those
            that send much are a flood without it.
    """

    name: str
    count: int
    start: bytes
    pause_s: float = 0.0


def _post(*lines: str) -> bytes:
    head = ["POST /invocations HTTP/1.1", "host: x", "content-type: text/csv", *lines]
    return "\r\n".join([*head, "", ""]).encode()


_ROWS = b"1,318\n" * (59 * _MIB // 60)
_DECLARED = _post(f"content-length: {6 * _MIB}")
_CHUNKED = _post("transfer-encoding: chunked")

SIEGES = (
    Siege("nobody", 0, b""),
    Siege("2 bytes of 6 MiB", 200, _DECLARED + b"1,"),
    Siege("a chunk of 6 bytes", 200, _CHUNKED + b"6\r\n1,318\n\r\n"),
    Siege("5.9 MiB of 6 MiB", 200, _DECLARED + _ROWS, pause_s=10.0),
    Siege("half a head", 200, b"POST /invocations HTTP/1.1\r\nx: "),
    Siege("idle after a ping", 10_000, b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"),
)


# The besiegers, in a process of their own.


async def hold(address: Address, siege: Siege) -> None:
    """Hold the connections until the standard input ends.

    A line on the standard output says that all are open, another one at the end how
    often each was closed, and with which status.
    """
    ends: Counter[str] = Counter()
    opening = asyncio.Semaphore(OPENED_AT_ONCE)
    n_open = 0

    async def hold_one() -> None:
        nonlocal n_open
        is_first = True
        while True:
            async with opening:
                reader, writer = await asyncio.open_connection(*address)
                with contextlib.suppress(OSError):
                    writer.write(siege.start)
            n_open += is_first
            is_first = False
            answer = b""
            with contextlib.suppress(OSError):
                answer = await reader.read()
            ends[answer[9:12].decode() or "closed"] += 1
            writer.transport.abort()
            await asyncio.sleep(siege.pause_s)

    holders = [asyncio.create_task(hold_one()) for _ in range(siege.count)]
    while n_open < siege.count:
        await asyncio.sleep(0.05)
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for holder in holders:
        holder.cancel()
    print(json.dumps(ends), flush=True)


def besiege(address: Address, name: str) -> None:
    """What the process of the besiegers does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    (siege,) = [each for each in SIEGES if each.name == name]
    asyncio.run(hold(address, siege))


# The honest clients.


def honest_requests() -> dict[str, bytes]:
    """What honest clients ask, by name; the server closes the connection."""
    close = "connection: close"
    row, rows, many = b"1,318", b"1,318\n" * 1000, b"1,318\n" * 20_000
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(rows), rows)
    return {
        "ping": b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "1 row": _post(f"content-length: {len(row)}", close) + row,
        "1,000 rows": _post(f"content-length: {len(rows)}", close) + rows,
        "1,000 rows in a chunk": _post("transfer-encoding: chunked", close) + chunks,
        "20,000 rows": _post(f"content-length: {len(many)}", close) + many,
    }


@dataclass(frozen=True, slots=True)
class Times:
    """How long honest requests took, in milliseconds, and how many failed."""

    count: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    failed: int

    @classmethod
    def of(cls, seconds: list[float], failed: int) -> Times:
        """The figures of some requests, two at least."""
        milliseconds = sorted(1e3 * each for each in seconds)
        return cls(
            count=len(milliseconds),
            p50_ms=statistics.median(milliseconds),
            p99_ms=statistics.quantiles(milliseconds, n=100, method="inclusive")[98],
            most_ms=milliseconds[-1],
            failed=failed,
        )


def ask(address: Address, request: bytes) -> bool:
    """Ask once; whether the answer is a 200."""
    received = b""
    try:
        with socket.create_connection(address, timeout=PROBE_TIMEOUT) as connection:
            connection.sendall(request)
            while part := connection.recv(2**20):
                received += part
    except OSError:
        return False
    return received.startswith(b"HTTP/1.1 200 ")


def ask_again_and_again(
    address: Address, request: bytes, is_over: threading.Event
) -> Times:
    """Ask one after the other until it is over."""
    seconds: list[float] = []
    failed = 0
    while not is_over.is_set() or len(seconds) < 2:
        began = time.perf_counter()
        failed += not ask(address, request)
        seconds.append(time.perf_counter() - began)
        is_over.wait(SECONDS_BETWEEN_PROBES)
    return Times.of(seconds, failed)


def ask_all(address: Address, seconds: float) -> dict[str, Times]:
    """All kinds of honest requests at once, for that long."""
    requests = honest_requests()
    is_over = threading.Event()
    with ThreadPoolExecutor(len(requests)) as pool:
        asking = {
            name: pool.submit(ask_again_and_again, address, request, is_over)
            for name, request in requests.items()
        }
        time.sleep(seconds)
        is_over.set()
    return {name: times.result() for name, times in asking.items()}


# Both.


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one siege did.

    Attributes:
        times: of the honest requests, by kind.
        ends: how often the server closed a besieger's connection, by status.
        memory_mib: of the server at the end, with the connections held.
        cpu_percent: of a processor, taken by the server.
    """

    times: dict[str, Times]
    ends: dict[str, int]
    memory_mib: float
    cpu_percent: float


def measure(server: Running, siege: Siege, seconds: float) -> Outcome:
    """Ask honestly while the siege goes on."""
    port = int(server.url.rpartition(":")[2])
    command = [sys.executable, "-m", "benchmarks.held"]
    command += ["--port", str(port), "--besiege", siege.name]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as besiegers:
        assert besiegers.stdin
        assert besiegers.stdout
        besiegers.stdout.readline()
        pids = processes_of(server)
        before = cpu_seconds(pids)
        times = ask_all((LOOPBACK, port), seconds)
        cpu_percent = 100 * (cpu_seconds(pids) - before) / seconds
        memory_mib = pss_mib(pids)
        besiegers.stdin.close()
        ends = json.loads(besiegers.stdout.readline())
    return Outcome(times, ends, memory_mib, cpu_percent)


def table_of(outcomes: dict[str, Outcome]) -> Table:
    """Honest times by siege."""
    names = list(honest_requests())
    table = Table(title="ms: p50 / p99 / the longest")
    for column in ("held", *names, "failed", "MiB", "CPU %", "ended"):
        table.add_column(column)
    for siege in SIEGES:
        outcome = outcomes.get(siege.name)
        if outcome is None:
            continue
        cells = [
            f"{each.p50_ms:.0f} / {each.p99_ms:.0f} / {each.most_ms:.0f}"
            for each in outcome.times.values()
        ]
        failed = sum(each.failed for each in outcome.times.values())
        ends = ", ".join(f"{count} {end}" for end, count in outcome.ends.items())
        table.add_row(
            f"{siege.count:,} {siege.name}",
            *cells,
            str(failed),
            f"{outcome.memory_mib:.0f}",
            f"{outcome.cpu_percent:.0f}",
            ends,
        )
    return table


def is_good(siege: Siege, outcome: Outcome) -> bool:
    """Whether honest requests were answered, and in time."""
    is_flood = siege.pause_s > 0
    for times in outcome.times.values():
        is_late = times.p99_ms > 1e3 * LONGEST_SECONDS
        if times.failed or (is_late and not is_flood):
            return False
    return True


def main() -> None:
    """Besiege, print the table, write the JSON; exits with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held")
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kind", choices=[siege.name for siege in SIEGES])
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--besiege", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.besiege is not None:
        besiege((LOOPBACK, options.port), options.besiege)
        return

    if options.base_dir is None:
        base_dir = DIRECTORY / "model"
        fit(base_dir)
    else:
        base_dir = options.base_dir.resolve()
    outcomes: dict[str, Outcome] = {}
    is_all_good = True
    for siege in SIEGES:
        if options.kind in (None, siege.name):
            with running(HALFSTAR, base_dir, 1, DIRECTORY / "held") as server:
                outcome = measure(server, siege, options.seconds)
            outcomes[siege.name] = outcome
            is_all_good = is_all_good and is_good(siege, outcome)

    screen = console()
    screen.print(table_of(outcomes))
    results: dict[str, Any] = {
        name: asdict(outcome) for name, outcome in outcomes.items()
    }
    save("held", results, screen)
    sys.exit(0 if is_all_good else 1)


if __name__ == "__main__":
    main()
