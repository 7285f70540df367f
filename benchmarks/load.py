"""What a server does under load, seen from outside: wrk's figures, `/ping` meanwhile,
and its memory.
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
PING_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk found.

    Attributes:
        per_second: answers.
        p50_ms, p99_ms: latency.
        cpu_ms: processor time of an answer, of all processes of the server, which a
            busy machine hardly changes.
        errors: answers above 399, and connections or answers that failed.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    errors: int

    @classmethod
    def median(cls, runs: Sequence[Load]) -> Load:
        """The median of each figure, and all errors."""
        return cls(
            statistics.median(run.per_second for run in runs),
            statistics.median(run.p50_ms for run in runs),
            statistics.median(run.p99_ms for run in runs),
            statistics.median(run.cpu_ms for run in runs),
            sum(run.errors for run in runs),
        )


def write_bodies(path: Path, bodies: Iterable[bytes]) -> None:
    """The file that `requests.lua` reads."""
    path.write_bytes(b"\n".join(b"%d\n%b" % (len(body), body) for body in bodies))


def wrk_command(
    running: Running, bodies: Path, connections: int, seconds: int
) -> list[str]:
    """Ask the bodies in turn, over as many connections, for so long."""
    stack = running.stack
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "60s",
        "-s",
        str(SCRIPT),
    ]
    return [*command, running.url + stack.path, "--", str(bodies), stack.content_type]


def run_wrk(running: Running, bodies: Path, connections: int, seconds: int) -> Load:
    """One run.

    Raises:
        RuntimeError: if nothing was answered.
    """
    command = wrk_command(running, bodies, connections, seconds)
    pids = processes_of(running)
    before = cpu_seconds(pids)
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    spent = cpu_seconds(pids) - before
    (line,) = [line for line in output.splitlines() if line.startswith("RESULT ")]
    found = json.loads(line.removeprefix("RESULT "))
    if not found["requests"]:
        raise RuntimeError(
            f"{running.stack.name} answered nothing within {seconds} s:\n{output}"
        )
    n = found["requests"]
    return Load(
        1e6 * n / found["us"],
        found["p50_us"] / 1e3,
        found["p99_us"] / 1e3,
        1e3 * spent / n,
        found["errors"],
    )


def pings_under_load(
    running: Running, bodies: Path, connections: int, seconds: int
) -> list[float]:
    """Milliseconds that each `/ping` takes, each on a new connection, while wrk keeps
    the server busy.
    """
    found: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.perf_counter()
            urllib.request.urlopen(
                running.url + running.stack.health, timeout=60
            ).close()
            found.append(1e3 * (time.perf_counter() - began))
            over.wait(PING_EVERY_S)

    with subprocess.Popen(
        wrk_command(running, bodies, connections, seconds), stdout=subprocess.DEVNULL
    ) as load:
        time.sleep(0.2)
        prober = threading.Thread(target=ask)
        prober.start()
        load.wait()
        over.set()
        prober.join()
    return found


def processes_of(running: Running) -> list[int]:
    """All processes of a stack."""
    found: list[int] = []
    open_ones = [process.pid for process in running.processes]
    while open_ones:
        pid = open_ones.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            open_ones += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that some processes have taken so far."""
    fields = [
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids
    ]
    return sum(
        int(user) + int(system) for user, system in (each[11:13] for each in fields)
    ) / os.sysconf("SC_CLK_TCK")


def pss_mib(pids: Iterable[int]) -> float:
    """Memory of some processes, what they share counted once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024
