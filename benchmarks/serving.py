"""Our server beside those that a user would pick instead: the same artifact, the same
raw ids, the same machine.

All servers run at once and are asked in turn, so that what else the machine does hits
all of them alike; each figure is the median of the turns. The container of the AWS
samples is what the ratios are to. Before anything is measured, each server's ratings
are compared with the model's own.

Options: ``--workers 1`` or ``2`` for one of the two alone, ``--base-dir DIR`` for a
    model that is there already,
``--repeats N``, ``--seconds S``.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import fit_model
from benchmarks.load import (
    Load,
    pings_under_load,
    processes_of,
    pss_mib,
    run_wrk,
    write_bodies,
)
from benchmarks.results import BENCH, ROOT, console, earlier, save
from benchmarks.stacks import (
    ECHO,
    HALFSTAR,
    HALFSTAR_JSON,
    SAMPLE,
    SERVERS_BIN,
    STACKS,
    Running,
    Stack,
    running,
)
from container import debian
from movielens import artifact
from movielens.channel import Channel
from movielens.evaluation import DataCounts, Evaluation, Figures, Rounds
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.readers import read_dataset
from train.hyperparameters import Hyperparameters
from train.split import split_ratings

DIRECTORY = BENCH / "serving"
# Rows of a body: how many bodies, connections, and seconds as a multiple of those asked
# for.
LOADS = {1: (512, 8, 1), 100: (64, 8, 1), 10_000: (4, 2, 4)}
COLD_STARTS, MEMORY_WORKERS = 9, 4
TUTORIAL = {"features": ("ids",), "num_round": 30, "max_depth": 6, "eta": 0.3}


def ensure_tools() -> None:
    """Install wrk and nginx where that is possible, or exit saying what to install."""
    missing = [name for name in ("wrk", "nginx") if shutil.which(name) is None]
    if missing and debian.may_install():
        debian.install("wrk", "nginx-light")
    elif missing:
        sys.exit(
            f"{' and '.join(missing)} must be installed (Debian's packages wrk and nginx-light)"
        )
    if not SERVERS_BIN.is_dir():
        sys.exit(".venv-servers is missing: `make bench-serving` makes it")


def fit(base_dir: Path, **settings: Any) -> None:
    """Train on the tutorial's split of ml-latest-small."""
    data, chosen = (
        read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")]),
        Hyperparameters(nthread=1, **settings),
    )
    model = fit_model(
        split_ratings(data.ratings, chosen.split, chosen.holdout, chosen.seed),
        data,
        chosen,
    )
    (base_dir / "model").mkdir(parents=True, exist_ok=True)
    artifact.save(model, unmeasured(), base_dir / "model")


def unmeasured() -> Evaluation:
    """An evaluation of nothing, since only the server's speed is measured."""
    nothing = Figures(0, [], "mode", {}, 0, 0, 0, 0, 0, [], 0, [])
    counts = DataCounts(0, 0, 0, 0, 0, {}, [])
    return Evaluation(None, nothing, {}, counts, Rounds(0))


def write_all_bodies(model: Model) -> None:
    """Bodies of known users and movies at some time, for each way to write them."""
    rng, spec = np.random.default_rng(1), model.spec
    for n_rows, (n_bodies, _, _) in LOADS.items():
        bodies = [
            RatingQueries(
                rng.choice(spec.users.ids, n_rows),
                rng.choice(spec.movies.movie_id.astype(np.int64), n_rows),
                rng.integers(1_400_000_000, 1_500_000_000, n_rows).astype(np.float64),
            )
            for _ in range(n_bodies)
        ]
        for stack in STACKS:
            write_bodies(_bodies(stack, n_rows), map(stack.body, bodies))


def _bodies(stack: Stack, n_rows: int) -> Path:
    return DIRECTORY / f"{stack.body.__name__}-{n_rows}"


@contextlib.contextmanager
def all_running(
    base_dir: Path, workers: int, stacks: Sequence[Stack]
) -> Iterator[list[Running]]:
    """All stacks, each answering as the model does."""
    model = artifact.load(base_dir / "model")
    movies = model.spec.movies.movie_id[:: len(model.spec.movies) // 50].astype(
        np.int64
    )
    queries = RatingQueries(
        np.full(len(movies), model.spec.users.ids[0]),
        movies,
        np.full(len(movies), 1.45e9),
    )
    expected = model.predict(queries).rating.tolist()
    with contextlib.ExitStack() as opened:
        found = []
        for stack in stacks:
            server = opened.enter_context(
                running(
                    stack, base_dir, workers, DIRECTORY / stack.name.replace(" ", "-")
                )
            )
            if (
                stack.ratings is not None
                and stack.ratings(server.ask(stack.body(queries))) != expected
            ):
                raise RuntimeError(f"{stack.name} doesn't answer as the model does")
            found.append(server)
        yield found


def measure_loads(
    servers: list[Running], repeats: int, seconds: int
) -> dict[str, dict[int, Load]]:
    """By stack and rows."""
    found: dict[str, dict[int, Load]] = {server.stack.name: {} for server in servers}
    for n_rows, (_, connections, longer) in LOADS.items():
        runs: dict[str, list[Load]] = {name: [] for name in found}
        for _ in range(repeats):
            for server in servers:
                load = run_wrk(
                    server, _bodies(server.stack, n_rows), connections, longer * seconds
                )
                runs[server.stack.name].append(load)
        for name, each in runs.items():
            found[name][n_rows] = Load.median(each)
    return found


def measure_alone(
    full: Path, tutorial: Path, repeats: int, seconds: int
) -> dict[str, Load]:
    """One row over one connection: how near the server is to its own echo."""
    with contextlib.ExitStack() as opened:
        servers = {
            "Halfstar": opened.enter_context(
                running(HALFSTAR, full, 1, DIRECTORY / "full")
            ),
            "Halfstar, the tutorial's features": opened.enter_context(
                running(HALFSTAR, tutorial, 1, DIRECTORY / "few")
            ),
            "echo": opened.enter_context(running(ECHO, full, 1, DIRECTORY / "echo")),
        }
        runs: dict[str, list[Load]] = {name: [] for name in servers}
        for _ in range(repeats):
            for name, server in servers.items():
                runs[name].append(run_wrk(server, _bodies(server.stack, 1), 1, seconds))
    return {name: Load.median(each) for name, each in runs.items()}


def measure_starts(base_dir: Path) -> dict[str, list[float]]:
    """Seconds from the start of the process to the first 200, in turn."""
    found: dict[str, list[float]] = {
        stack.name: [] for stack in STACKS if stack not in (HALFSTAR_JSON, ECHO)
    }
    for _ in range(COLD_STARTS):
        for stack in STACKS:
            if stack.name in found:
                with running(stack, base_dir, 1, DIRECTORY / "start") as server:
                    found[stack.name].append(server.start_seconds)
    return found


def measure_memory(base_dir: Path) -> dict[str, float]:
    """MiB a worker (PSS, what all processes of the server hold) with four of them,
    after some requests.
    """
    found = {}
    for stack in STACKS:
        if stack in (HALFSTAR_JSON, ECHO):
            continue
        with running(stack, base_dir, MEMORY_WORKERS, DIRECTORY / "memory") as server:
            run_wrk(server, _bodies(stack, 100), 16, 2)
            found[stack.name] = pss_mib(processes_of(server)) / MEMORY_WORKERS
    return found


def measure_pings(base_dir: Path, seconds: int) -> dict[str, float]:
    """`/ping` of one worker in milliseconds, while it answers bodies of 10,000 rows
    over two connections.
    """
    with running(HALFSTAR, base_dir, 1, DIRECTORY / "pings") as server:
        pings = pings_under_load(server, _bodies(HALFSTAR, 10_000), 2, 5 * seconds)
    p50, p99 = np.quantile(pings, [0.5, 0.99])
    return {
        "count": len(pings),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "most_ms": max(pings),
    }


def load_table(found: dict[str, dict[int, Load]], workers: int) -> Table:
    """One number of workers for people."""
    title = f"{workers} worker{'s' * (workers > 1)}: answers a second, p50 and p99 and processor time of one in ms"
    table = Table("", "", title=title + "; times the sample by rate, by processor time")
    for heading in ("a second", "p50", "p99", "CPU", "rate", "CPU"):
        table.add_column(heading, justify="right")
    for n_rows, (_, connections, _) in LOADS.items():
        table.add_section()
        sample = found[SAMPLE.name][n_rows]
        for place, (name, loads) in enumerate(found.items()):
            load, what = (
                loads[n_rows],
                f"{n_rows:,} row{'s' * (n_rows > 1)}, {connections} connections",
            )
            errors = f", {load.errors} errors" if load.errors else ""
            figures = (
                f"{load.per_second:,.1f}",
                f"{load.p50_ms:.2f}",
                f"{load.p99_ms:.2f}",
                f"{load.cpu_ms:.3f}",
            )
            ratios = (
                f"{load.per_second / sample.per_second:.1f}x",
                f"{sample.cpu_ms / load.cpu_ms:.1f}x",
            )
            table.add_row("" if place else what, name + errors, *figures, *ratios)
    return table


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--workers", type=int, choices=(1, 2), action="append")
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    asked = parser.parse_args()
    ensure_tools()
    screen = console()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    full, tutorial = (
        (asked.base_dir or DIRECTORY / "model").resolve(),
        DIRECTORY / "tutorial",
    )
    if asked.base_dir is None:
        fit(full)
    fit(tutorial, **TUTORIAL)
    write_all_bodies(artifact.load(full / "model"))
    results: dict[str, Any] = earlier("serving") if asked.workers else {}
    for workers in asked.workers or (1, 2):
        with all_running(full, workers, STACKS) as servers:
            loads = measure_loads(servers, asked.repeats, asked.seconds)
        screen.print(load_table(loads, workers))
        results[f"{workers} workers"] = {
            name: {n: asdict(x) for n, x in each.items()}
            for name, each in loads.items()
        }
    if not asked.workers or 1 in asked.workers:
        results |= measure_ours(full, tutorial, asked.repeats, asked.seconds, screen)
    save("serving", results, screen)


def measure_ours(
    full: Path, tutorial: Path, repeats: int, seconds: int, screen: Console
) -> dict[str, Any]:
    """Our share of the echo, and starts, memory and pings, printed."""
    # Turns of one connection are up to a quarter apart, by what else the machine does.
    alone = measure_alone(full, tutorial, 3 * repeats, seconds)
    for name, load in alone.items():
        share = load.per_second / alone["echo"].per_second
        rate, cpu = (
            f"{load.per_second:,.0f} a second, {100 * share:.0f} % of the echo",
            f"{1e3 * load.cpu_ms:.0f} us",
        )
        screen.print(f"1 row, 1 connection, {name}: {rate}; {cpu} of a processor")
    starts = measure_starts(full)
    for name, each in starts.items():
        screen.print(
            f"cold start, {name}: {np.median(each):.2f} s ({', '.join(f'{one:.2f}' for one in each)})"
        )
    memory = measure_memory(full)
    for name, mib in memory.items():
        screen.print(
            f"memory, {name}: {mib:.0f} MiB a worker (PSS), {MEMORY_WORKERS} workers"
        )
    pings = measure_pings(full, seconds)
    screen.print(
        f"{pings['count']} pings under bodies of 10,000 rows: p50 {pings['p50_ms']:.1f} ms, "
        f"p99 {pings['p99_ms']:.1f} ms, the longest {pings['most_ms']:.1f} ms"
    )
    echoes = {name: asdict(load) for name, load in alone.items()}
    return {
        "1 row, 1 connection": echoes,
        "cold_start_s": starts,
        "pss_mib_a_worker": memory,
        "ping_under_load": pings,
    }


if __name__ == "__main__":
    main()
