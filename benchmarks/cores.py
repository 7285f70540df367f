"""How features scale with threads: fitted on all rows, then made out of fold.

``python -m benchmarks.cores 1000000 --threads 1 2``. Each number of threads has a
process of its own, and they take turns. The features must be the same, bit for bit.

Where other work shares the processors, seconds say little. But Linux counts how long
each thread has run, and how long it could have run and had no processor. The sum of
both over all threads, a second, is how many processors the work would keep busy if it
had them. From that follows the share of the work that one thread does while the others
wait (Amdahl's law), and so what more threads would take.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.data import read_data, split_data
from benchmarks.processes import Json, peak_mb, run_for_json
from benchmarks.results import console, save
from benchmarks.training import DATA, data_of
from movielens.features import FeatureSpec
from movielens.features.workers import Workers
from movielens.ratings import RatingScale
from train.hyperparameters import Hyperparameters

# What other numbers of threads are computed for.
COMPUTED = (4, 8, 16)


def measure(directory: Path, n_threads: int, n_folds: int) -> Json:
    """Fit, and make all features out of fold; in this process."""
    hyperparameters = Hyperparameters()
    data = read_data(directory)
    train = split_data(data, hyperparameters).train
    scale = RatingScale.of(data.ratings.rating)
    digest = hashlib.sha256()

    with Workers(n_threads) as workers:
        began = time.perf_counter(), time.process_time()
        spec = FeatureSpec.fit(
            train, data.movies, hyperparameters.features, scale, workers=workers
        )
        fitted = time.perf_counter(), time.process_time()
        mb_before = peak_mb()
        ready_before = ready_seconds()
        for _, block in spec.transform_fitted_blocks(
            train, workers=workers, folds_at_once=n_folds
        ):
            digest.update(np.ascontiguousarray(block.values).data)
        ended = time.perf_counter(), time.process_time()
        ready = ready_seconds() - ready_before
    return {
        "rows": len(train),
        "fit": fitted[0] - began[0],
        "fit processor": fitted[1] - began[1],
        "folds": ended[0] - fitted[0],
        "folds processor": ended[1] - fitted[1],
        "processors wanted": ready / (ended[0] - fitted[0]),
        "mb before the folds": mb_before,
        "peak_mb": peak_mb(),
        "sha256": digest.hexdigest(),
    }


def ready_seconds() -> float:
    """How long all threads have run or waited for a processor."""
    nanoseconds = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        ran, waited, _ = path.read_text().split()
        nanoseconds += int(ran) + int(waited)
    return nanoseconds / 1e9


def in_turns(size: int, threads: list[int], n_folds: int, repeats: int) -> Json:
    """What each number of threads takes, each time in a process of its own."""
    directory = data_of(size)
    reports: Json = {str(n_threads): [] for n_threads in threads}
    for _ in range(repeats):
        for n_threads in threads:
            # BLAS reads it when it is loaded, as in a job.
            os.environ["OPENBLAS_NUM_THREADS"] = "1"
            module = [sys.executable, "-m", "benchmarks.cores"]
            only = ["--only", str(directory), str(n_threads), str(n_folds or n_threads)]
            reports[str(n_threads)].append(run_for_json([*module, *only]))
    return reports


def serial_share(n_threads: int, wanted: float) -> float:
    """The share of the work that one thread does alone, by Amdahl's law.

    Args:
        n_threads: more than one.
        wanted: processors that they keep busy.
    """
    return max(0.0, (n_threads / wanted - 1) / (n_threads - 1))


def table_of(size: int, reports: Json) -> Table:
    """A line for each number of threads, with medians."""
    keys = (
        "fit",
        "fit processor",
        "folds",
        "folds processor",
        "processors wanted",
        "peak_mb",
    )
    title = f"{size:,} ratings: threads"
    heads = ("fit, s", "processor, s", "folds, s", "processor, s", "wanted", "MB")
    table = Table(title, *heads)
    for n_threads, runs in reports.items():
        medians = [statistics.median(run[key] for run in runs) for key in keys]
        table.add_row(n_threads, *(f"{median:,.1f}" for median in medians))
    return table


def main() -> None:
    """Measure, compare, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folds", type=int, default=0, help="at once; as many as threads without it"
    )
    parser.add_argument("--only", nargs=3, metavar=("DIRECTORY", "THREADS", "FOLDS"))
    arguments = parser.parse_args()
    if arguments.only:
        directory, n_threads, n_folds = arguments.only
        print(json.dumps(measure(Path(directory), int(n_threads), int(n_folds))))
        return

    DATA.mkdir(parents=True, exist_ok=True)
    size = arguments.size
    reports = in_turns(size, arguments.threads, arguments.folds, arguments.repeats)
    screen = console()
    screen.print(table_of(size, reports))
    digests = {run["sha256"] for runs in reports.values() for run in runs}
    screen.print(f"{len(digests)} different sets of features")

    for name, runs in reports.items():
        if name == "1":
            continue
        wanted = statistics.median(run["processors wanted"] for run in runs)
        serial = serial_share(int(name), wanted)
        screen.print(f"of {name} threads, one works alone for {100 * serial:.1f} %")
        for n_threads in COMPUTED:
            times = 1 / (serial + (1 - serial) / n_threads)
            screen.print(f"computed for {n_threads} threads: {times:.1f} times as fast")
    save("cores", {str(size): reports}, screen)


if __name__ == "__main__":
    main()
