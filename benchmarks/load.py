"""A server under load, seen from outside.

wrk measures answers and their latency. Beside it `/ping` is asked, and the processor
time and memory of the server's processes are read from /proc.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stacks import Running

SCRIPT = Path(__file__).parent / "requests.lua"
RESULT = "RESULT "  # begins the line of figures that the script prints
SECONDS_BETWEEN_PINGS = 0.01


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk found.

    Attributes:
        per_second: answers a second.
        p50_ms: median latency.
        p99_ms: latency that 99 % of the answers keep to.
        cpu_ms: processor time an answer, of all processes of the server. A busy machine
            hardly changes it.
        errors: answers above 399, and connections or answers that failed.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    errors: int

    @classmethod
    def median(cls, runs: Sequence[Load]) -> Load:
        """The median of each figure, and the sum of all errors."""
        return cls(
            per_second=statistics.median(run.per_second for run in runs),
            p50_ms=statistics.median(run.p50_ms for run in runs),
            p99_ms=statistics.median(run.p99_ms for run in runs),
            cpu_ms=statistics.median(run.cpu_ms for run in runs),
            errors=sum(run.errors for run in runs),
        )


def write_bodies(path: Path, bodies: Iterable[bytes]) -> None:
    """Write the file that `requests.lua` reads: each body after its length."""
    path.write_bytes(b"\n".join(b"%d\n%b" % (len(body), body) for body in bodies))


def wrk_command(
    running: Running, bodies: Path, connections: int, seconds: int
) -> list[str]:
    """The command that sends the bodies in turn over so many connections."""
    stack = running.stack
    return [
        "wrk",
        *("--threads", "1"),
        *("--connections", str(connections)),
        *("--duration", f"{seconds}s"),
        *("--timeout", "60s"),
        *("--script", str(SCRIPT)),
        running.url + stack.path,
        *("--", str(bodies), stack.content_type),
    ]


def run_wrk(running: Running, bodies: Path, connections: int, seconds: int) -> Load:
    """Run wrk once.

    Raises:
        RuntimeError: if nothing was answered.
    """
    command = wrk_command(running, bodies, connections, seconds)
    pids = processes_of(running)
    cpu_before = cpu_seconds(pids)
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    cpu_spent = cpu_seconds(pids) - cpu_before

    lines = ended.stdout.splitlines()
    (result,) = [line for line in lines if line.startswith(RESULT)]
    figures = json.loads(result.removeprefix(RESULT))
    n_answers = figures["requests"]
    if not n_answers:
        raise RuntimeError(
            f"{running.stack.name} answered nothing within {seconds} s:\n{ended.stdout}"
        )
    return Load(
        per_second=1e6 * n_answers / figures["us"],
        p50_ms=figures["p50_us"] / 1e3,
        p99_ms=figures["p99_us"] / 1e3,
        cpu_ms=1e3 * cpu_spent / n_answers,
        errors=figures["errors"],
    )


def pings_under_load(
    running: Running, bodies: Path, connections: int, seconds: int
) -> list[float]:
    """Milliseconds of each `/ping` while wrk keeps the server busy.

    Each ping uses a new connection.
    """
    url = running.url + running.stack.health
    milliseconds: list[float] = []
    is_over = threading.Event()

    def ping() -> None:
        while not is_over.is_set():
            started = time.perf_counter()
            urllib.request.urlopen(url, timeout=60).close()
            milliseconds.append(1e3 * (time.perf_counter() - started))
            is_over.wait(SECONDS_BETWEEN_PINGS)

    command = wrk_command(running, bodies, connections, seconds)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as wrk:
        time.sleep(0.2)  # until the load is there
        pinging = threading.Thread(target=ping)
        pinging.start()
        wrk.wait()
        is_over.set()
        pinging.join()
    return milliseconds


def processes_of(running: Running) -> list[int]:
    """The ids of all processes of a server, with their children."""
    found: list[int] = []
    waiting = [process.pid for process in running.processes]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            waiting += [int(child) for child in children]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that some processes have taken so far."""
    ticks = 0
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat").read_text()
        # The name of the process, in brackets, may contain spaces.
        fields = stat.rpartition(")")[2].split()
        user = int(fields[11])
        system = int(fields[12])
        ticks += user + system
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_mib(pids: Iterable[int]) -> float:
    """Memory of some processes; what they share counts once."""
    kib = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kib += int(line.split()[1])
    return kib / 1024
