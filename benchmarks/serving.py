"""Our server beside those that a user would otherwise pick.

All have the same artifact, the same raw ids and the same machine. They run at once and
are asked in turn, so whatever else the machine does affects them alike. Each figure is
the median of the turns. Ratios are to the container of the AWS samples. Before anything
is measured, each server's ratings are compared with the model's own.

Options: ``--workers 1`` or ``--workers 2`` for one of the two alone, ``--base-dir DIR``
for a model that exists already, ``--repeats N``, ``--seconds S``.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import notebook
from benchmarks.accuracy import fit_model
from benchmarks.data import read_data, split_data
from benchmarks.load import (
    Load,
    pings_under_load,
    processes_of,
    pss_mib,
    run_wrk,
    write_bodies,
)
from benchmarks.results import BENCH, console, plural, save, saved_before
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
from movielens.evaluation import DataCounts, Evaluation, Figures, Rounds
from movielens.model import Model
from movielens.queries import RatingQueries
from train.hyperparameters import Hyperparameters

DIRECTORY = BENCH / "serving"


@dataclass(frozen=True, slots=True)
class Bodies:
    """Requests of one length.

    Attributes:
        n_bodies: different bodies, sent in turn.
        connections: that send them at once.
        seconds_factor: how many times as long to measure them as asked for.
    """

    n_bodies: int
    connections: int
    seconds_factor: int


# By rows of a body.
BODIES = {
    1: Bodies(n_bodies=512, connections=8, seconds_factor=1),
    100: Bodies(n_bodies=64, connections=8, seconds_factor=1),
    10_000: Bodies(n_bodies=4, connections=2, seconds_factor=4),
}

N_COMPARED = 50  # rows whose ratings are compared with the model's own
N_COLD_STARTS = 9
MEMORY_WORKERS = 4

# Neither is a server of its own to be started and weighed beside the others.
NOT_COMPARED = (HALFSTAR_JSON, ECHO)


def ensure_tools() -> None:
    """Install wrk and nginx where that is possible, or exit saying what to install."""
    try:
        debian.ensure_commands({"wrk": ("wrk",), "nginx": ("nginx-light",)})
    except debian.MissingCommandError as error:
        sys.exit(str(error))
    if not SERVERS_BIN.is_dir():
        sys.exit(".venv-servers is missing: `make bench-serving` makes it")


def fit(base_dir: Path, **changes: Any) -> None:
    """Train on ml-latest-small, and save the model in ``base_dir/model``.

    ``changes`` are to the default hyperparameters.
    """
    data = read_data()
    hyperparameters = Hyperparameters(nthread=1, **changes)
    model = fit_model(split_data(data, hyperparameters), data, hyperparameters)
    model_dir = base_dir / "model"
    model_dir.mkdir(parents=True, exist_ok=True)
    artifact.save(model, no_evaluation(), model_dir)


def no_evaluation() -> Evaluation:
    """An evaluation of nothing: only the server's speed is measured."""
    nothing = Figures(
        n_rows=0,
        class_values=[],
        decision="mode",
        distance={},
        accuracy=0,
        rmse=0,
        mae=0,
        log_loss=0,
        calibration_error=0,
        reliability=[],
        quadratic_weighted_kappa=0,
        confusion_matrix=[],
    )
    counts = DataCounts(
        n_ratings=0, n_users=0, n_movies=0, n_train=0, n_test=0, dropped={}, files=[]
    )
    return Evaluation(
        test=None, train=nothing, baselines={}, data=counts, booster=Rounds(0)
    )


def write_all_bodies(model: Model) -> None:
    """Write requests about known users and movies, in each way to write them."""
    rng = np.random.default_rng(1)
    user_ids = model.spec.users.ids
    movie_ids = model.spec.movies.movie_id.astype(np.int64)
    for n_rows, bodies in BODIES.items():
        queries = [
            draw_queries(user_ids, movie_ids, n_rows, rng)
            for _ in range(bodies.n_bodies)
        ]
        for stack in STACKS:
            write_bodies(bodies_path(stack, n_rows), map(stack.body, queries))


def draw_queries(
    user_ids: NDArray[np.int64],
    movie_ids: NDArray[np.int64],
    n_rows: int,
    rng: np.random.Generator,
) -> RatingQueries:
    """Random users and movies at random times."""
    return RatingQueries(
        user_id=rng.choice(user_ids, n_rows),
        movie_id=rng.choice(movie_ids, n_rows),
        timestamp=rng.integers(1_400_000_000, 1_500_000_000, n_rows).astype(np.float64),
    )


def bodies_path(stack: Stack, n_rows: int) -> Path:
    """The file of a stack's requests of that many rows."""
    return DIRECTORY / f"{stack.body.__name__}-{n_rows}"


@contextlib.contextmanager
def all_running(
    base_dir: Path, workers: int, stacks: Sequence[Stack]
) -> Iterator[list[Running]]:
    """All stacks, each of which answers as the model does.

    Raises:
        RuntimeError: if one doesn't.
    """
    model = artifact.load(base_dir / "model")
    step = len(model.spec.movies) // N_COMPARED
    movie_id = model.spec.movies.movie_id[::step].astype(np.int64)
    queries = RatingQueries(
        user_id=np.full(len(movie_id), model.spec.users.ids[0]),
        movie_id=movie_id,
        timestamp=np.full(len(movie_id), 1.45e9),
    )
    expected = model.predict(queries).rating.tolist()

    with contextlib.ExitStack() as opened:
        servers = []
        for stack in stacks:
            directory = DIRECTORY / stack.name.replace(" ", "-")
            server = opened.enter_context(running(stack, base_dir, workers, directory))
            if stack.ratings is not None:
                ratings = stack.ratings(server.ask(stack.body(queries)))
                if ratings != expected:
                    raise RuntimeError(f"{stack.name} doesn't answer as the model does")
            servers.append(server)
        yield servers


def measure_loads(
    servers: list[Running], repeats: int, seconds: int
) -> dict[str, dict[int, Load]]:
    """The load of each server, by its name and the rows of a request."""
    loads: dict[str, dict[int, Load]] = {server.stack.name: {} for server in servers}
    for n_rows, bodies in BODIES.items():
        longer = seconds * bodies.seconds_factor
        runs: dict[str, list[Load]] = {name: [] for name in loads}
        for _ in range(repeats):
            for server in servers:
                path = bodies_path(server.stack, n_rows)
                load = run_wrk(server, path, bodies.connections, longer)
                runs[server.stack.name].append(load)
        for name, each in runs.items():
            loads[name][n_rows] = Load.median(each)
    return loads


def measure_alone(
    full: Path, tutorial: Path, repeats: int, seconds: int
) -> dict[str, Load]:
    """One row over one connection: how near the server comes to its own echo."""
    servers = {
        "Halfstar": running(HALFSTAR, full, 1, DIRECTORY / "full"),
        "Halfstar, the tutorial's features": running(
            HALFSTAR, tutorial, 1, DIRECTORY / "few"
        ),
        "echo": running(ECHO, full, 1, DIRECTORY / "echo"),
    }
    runs: dict[str, list[Load]] = {name: [] for name in servers}
    with contextlib.ExitStack() as opened:
        opened_servers = {
            name: opened.enter_context(server) for name, server in servers.items()
        }
        for _ in range(repeats):
            for name, server in opened_servers.items():
                path = bodies_path(server.stack, 1)
                runs[name].append(run_wrk(server, path, 1, seconds))
    return {name: Load.median(each) for name, each in runs.items()}


def measure_starts(base_dir: Path) -> dict[str, list[float]]:
    """Seconds from the start of the process to the first 200, in turn."""
    stacks = [stack for stack in STACKS if stack not in NOT_COMPARED]
    seconds: dict[str, list[float]] = {stack.name: [] for stack in stacks}
    for _ in range(N_COLD_STARTS):
        for stack in stacks:
            with running(stack, base_dir, 1, DIRECTORY / "start") as server:
                seconds[stack.name].append(server.start_seconds)
    return seconds


def measure_memory(base_dir: Path) -> dict[str, float]:
    """MiB a worker, with four workers, after some requests.

    It is the PSS of all processes of the server.
    """
    mib = {}
    for stack in STACKS:
        if stack in NOT_COMPARED:
            continue
        with running(stack, base_dir, MEMORY_WORKERS, DIRECTORY / "memory") as server:
            run_wrk(server, bodies_path(stack, 100), connections=16, seconds=2)
            mib[stack.name] = pss_mib(processes_of(server)) / MEMORY_WORKERS
    return mib


def measure_pings(base_dir: Path, seconds: int) -> dict[str, float]:
    """Milliseconds of `/ping` of one busy worker.

    It answers bodies of 10,000 rows over two connections meanwhile.
    """
    with running(HALFSTAR, base_dir, 1, DIRECTORY / "pings") as server:
        path = bodies_path(HALFSTAR, 10_000)
        pings = pings_under_load(server, path, connections=2, seconds=5 * seconds)
    p50, p99 = np.quantile(pings, [0.5, 0.99])
    return {
        "count": len(pings),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "most_ms": max(pings),
    }


def load_table(loads: dict[str, dict[int, Load]], workers: int) -> Table:
    """The loads of all servers, for one number of workers."""
    table = Table(
        *("", ""),
        title=f"{plural(workers, 'worker')}: answers a second, and p50, p99 and "
        "processor time of one in ms; then times the sample by rate and by processor "
        "time",
    )
    for heading in ("a second", "p50", "p99", "CPU", "rate", "CPU"):
        table.add_column(heading, justify="right")

    for n_rows, bodies in BODIES.items():
        table.add_section()
        connections = plural(bodies.connections, "connection")
        request = f"{plural(n_rows, 'row')}, {connections}"
        sample = loads[SAMPLE.name][n_rows]
        for name, by_rows in loads.items():
            load = by_rows[n_rows]
            errors = f", {load.errors} errors" if load.errors else ""
            table.add_row(
                request,
                name + errors,
                f"{load.per_second:,.1f}",
                f"{load.p50_ms:.2f}",
                f"{load.p99_ms:.2f}",
                f"{load.cpu_ms:.3f}",
                f"{load.per_second / sample.per_second:.1f}x",
                f"{sample.cpu_ms / load.cpu_ms:.1f}x",
            )
            request = ""  # only the first line of a section says it
    return table


def measure_ours(
    full: Path, tutorial: Path, repeats: int, seconds: int, screen: Console
) -> dict[str, Any]:
    """Our share of the echo, cold starts, memory and pings; also prints them."""
    # Turns of one connection differ by up to a quarter, so there are more of them.
    alone = measure_alone(full, tutorial, 3 * repeats, seconds)
    for name, load in alone.items():
        share = load.per_second / alone["echo"].per_second
        screen.print(
            f"1 row, 1 connection, {name}: {load.per_second:,.0f} a second, "
            f"{100 * share:.0f} % of the echo; "
            f"{1e3 * load.cpu_ms:.0f} us of a processor"
        )
    starts = measure_starts(full)
    for name, each in starts.items():
        listed = ", ".join(f"{start:.2f}" for start in each)
        screen.print(f"cold start, {name}: {np.median(each):.2f} s ({listed})")
    memory = measure_memory(full)
    for name, mib in memory.items():
        screen.print(
            f"memory, {name}: {mib:.0f} MiB a worker (PSS), {MEMORY_WORKERS} workers"
        )
    pings = measure_pings(full, seconds)
    screen.print(
        f"{pings['count']} pings under bodies of 10,000 rows: "
        f"p50 {pings['p50_ms']:.1f} ms, p99 {pings['p99_ms']:.1f} ms, "
        f"the longest {pings['most_ms']:.1f} ms"
    )
    return {
        "1 row, 1 connection": {name: asdict(load) for name, load in alone.items()},
        "cold_start_s": starts,
        "pss_mib_a_worker": memory,
        "ping_under_load": pings,
    }


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--workers", type=int, choices=(1, 2), action="append")
    parser.add_argument("--base-dir", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()

    ensure_tools()
    screen = console()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    if options.base_dir is None:
        full = DIRECTORY / "model"
        fit(full)
    else:
        full = options.base_dir.resolve()
    tutorial = DIRECTORY / "tutorial"
    fit(tutorial, features=notebook.FEATURES, **notebook.SETTINGS)
    write_all_bodies(artifact.load(full / "model"))

    # One number of workers alone replaces only its part of the earlier results.
    results = saved_before("serving") if options.workers else {}
    chosen = options.workers or [1, 2]
    for workers in chosen:
        with all_running(full, workers, STACKS) as servers:
            loads = measure_loads(servers, options.repeats, options.seconds)
        screen.print(load_table(loads, workers))
        results[f"{workers} workers"] = {
            name: {n_rows: asdict(load) for n_rows, load in by_rows.items()}
            for name, by_rows in loads.items()
        }
    if 1 in chosen:
        results |= measure_ours(
            full, tutorial, options.repeats, options.seconds, screen
        )
    save("serving", results, screen)


if __name__ == "__main__":
    main()
