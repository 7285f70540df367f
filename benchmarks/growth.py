"""What fitting features costs by the number of ratings, by one thread.

``python -m benchmarks.growth 1000000 4000000``. Each size has a process of its own.
Times are of the processor, so other work beside it changes them little. Memory is what
fitting adds to the ratings themselves.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
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
from movielens.ratings import RatingScale
from train.blocks import bytes_in_use
from train.hyperparameters import Hyperparameters

SIZES = [1_000_000, 4_000_000]
# Rows whose features are made, to know what one takes.
TRANSFORMED = 60_000
MIB = 2**20


def measure(directory: Path) -> Json:
    """Fit the features of a data set, in this process."""
    hyperparameters = Hyperparameters()
    clock = [time.process_time()]
    data = read_data(directory)
    clock.append(time.process_time())
    n_ratings = len(data.ratings)
    scale = RatingScale.of(data.ratings.rating)
    train = split_data(data, hyperparameters).train
    movies = data.movies
    del data

    groups: dict[str, float] = {}
    before = bytes_in_use()
    began = time.process_time()
    marks: list[tuple[str, float]] = [("rows and biases", began)]

    def report(name: str, n_done: int) -> None:
        del n_done
        marks.append((name, time.process_time()))

    spec = FeatureSpec.fit(
        train, movies, hyperparameters.features, scale, report=report
    )
    ended = time.process_time()
    marks.append(("", ended))
    for (name, start), (_, end) in itertools.pairwise(marks):
        groups[name] = round(end - start, 2)
    peak = peak_mb() * MIB
    kept = bytes_in_use()

    rows = np.arange(0, len(train), max(1, len(train) // TRANSFORMED))
    queries = train.queries().take(rows)
    spec.transform(queries.take(np.zeros(1, np.int64)))  # hands the tables over
    start = time.process_time()
    spec.transform(queries)
    microseconds = 1e6 * (time.process_time() - start) / len(queries)
    return {
        "ratings": n_ratings,
        "rows": len(train),
        "users": len(spec.users),
        "movies": len(spec.movies.movie_id),
        "read": clock[1] - clock[0],
        "fit": ended - began,
        "groups": groups,
        "microseconds a row": microseconds,
        "bytes a row at most": (peak - before) / len(train),
        "bytes a row kept": (kept - before) / len(train),
        "peak_mb": peak // MIB,
    }


def table_of(reports: list[Json]) -> Table:
    """A line for each size."""
    table = Table("ratings", "users", "movies", "fit, s", "µs a row", "bytes", "kept")
    for report in reports:
        table.add_row(
            f"{report['ratings']:,}",
            f"{report['users']:,}",
            f"{report['movies']:,}",
            f"{report['fit']:.1f}",
            f"{report['microseconds a row']:.1f}",
            f"{report['bytes a row at most']:.0f}",
            f"{report['bytes a row kept']:.0f}",
        )
    return table


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--only", type=Path, metavar="DIRECTORY")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only)))
        return

    DATA.mkdir(parents=True, exist_ok=True)
    # BLAS reads it when it is loaded, as in a job.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    reports = []
    for size in arguments.sizes:
        module = [sys.executable, "-m", "benchmarks.growth"]
        reports.append(run_for_json([*module, "--only", str(data_of(size))]))
    screen = console()
    screen.print(table_of(reports))
    save("growth", reports, screen)


if __name__ == "__main__":
    main()
