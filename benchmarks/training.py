"""Training on synthetic ratings of growing size, and a race of learners.

``make bench-training`` measures sizes up to a million. For a larger one:
``python -m benchmarks.training --sizes 25000000 --race``.

Each contestant runs in a process of its own, one after the other, so that its memory is
its own:

- ours: the stages of a job, from files to the evaluated model;
- pandas: vectorised features (genre flags) in a data frame, and a DMatrix;
- loop: the tutorial's loop over rows, on at most half a million rows, scaled up to all;
- loop by us: the tutorial's features made by us, in pieces, for comparison.

The race of learners is that of `benchmarks.racing`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from rich.console import Console
from rich.table import Table

from benchmarks import notebook, synthetic
from benchmarks.data import read_data, split_data
from benchmarks.processes import Json, peak_mb, run_for_json
from benchmarks.racing import N_THREADS, race
from benchmarks.results import BENCH, console, save
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.evaluation import evaluate
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.predicting import PIECE_ROWS, predict
from train.weighting import user_weights

DATA = BENCH / "synthetic"
SIZES = [100_000, 1_000_000]
N_ROUNDS = 20
MAX_LOOP_ROWS = 500_000


class StageClock:
    """Seconds of each stage, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def end(self, stage: str) -> None:
        """End a stage, which began when the one before it ended."""
        now = time.perf_counter()
        self.seconds[stage] = now - self._started
        self._started = now

    def report(self, **more: Any) -> Json:
        """The seconds, and the peak of this process's memory in MB."""
        return {"seconds": self.seconds, "peak_mb": peak_mb(), **more}


def ours(directory: Path) -> Json:
    """The stages of a job."""
    hyperparameters = Hyperparameters(num_round=N_ROUNDS, nthread=N_THREADS)
    clock = StageClock()
    data = read_data(directory)
    clock.end("read")

    split = split_data(data, hyperparameters)
    scale = RatingScale.of(data.ratings.rating)
    clock.end("split")

    spec = FeatureSpec.fit(split.train, data.movies, hyperparameters.features, scale)
    clock.end("fit")

    queries = split.train.queries()
    hidden = hide(queries, hyperparameters.hidden_share, hyperparameters.seed)
    context = TrainingContext(hyperparameters)
    blocks = FeatureBlocks.fitted(spec, split.train, hidden, context)
    for _ in blocks.make():
        pass
    clock.end("features out of fold")

    weight = user_weights(split.train.user_id, hyperparameters.user_evenness)
    boosters = fit_boosters(blocks, split.train.rating, scale, context, weight=weight)
    model = Model(spec, boosters.classes)
    clock.end(f"{N_ROUNDS} rounds")

    predictions = predict(model, split.test)
    figures = evaluate(predictions, scale.to_class(split.test.rating))
    clock.end("evaluation")
    return clock.report(
        rows=len(data.ratings), n_features=len(spec.names), log_loss=figures.log_loss
    )


def with_pandas(directory: Path) -> Json:
    """Genre flags in a data frame, with the same learner and rounds."""
    hyperparameters = Hyperparameters()
    clock = StageClock()
    ratings = pd.read_csv(directory / "ratings.csv")
    movies = pd.read_csv(directory / "movies.csv")
    clock.end("read")

    flags = movies["genres"].str.get_dummies("|").astype(np.uint8)
    flags_by_movie = pd.concat([movies[["movieId"]], flags], axis=1)
    frame = ratings.merge(flags_by_movie, on="movieId")
    clock.end("features")

    label = (frame.pop("rating") * 2 - 1).astype(np.int32)
    rng = np.random.default_rng(hyperparameters.seed)
    is_test = rng.random(len(frame)) < hyperparameters.holdout
    train = xgboost.DMatrix(frame[~is_test], label[~is_test])
    test = xgboost.DMatrix(frame[is_test], label[is_test])
    clock.end("DMatrix")

    params = {
        **hyperparameters.booster_params(),
        "objective": "multi:softprob",
        "num_class": 10,
        "nthread": N_THREADS,
        "tree_method": "hist",
    }
    booster = xgboost.train(params, train, N_ROUNDS)
    clock.end(f"{N_ROUNDS} rounds")

    rows = np.arange(int(is_test.sum()))
    probability = booster.predict(test)[rows, label[is_test]]
    log_loss = float(-np.log(probability).mean())
    clock.end("evaluation")
    return clock.report(rows=len(ratings), log_loss=log_loss)


def with_loop(directory: Path) -> Json:
    """The tutorial's loop over some rows, with seconds and memory scaled up to all."""
    data = read_data(directory)
    n_rows = len(data.ratings)
    n_measured = min(MAX_LOOP_ROWS, n_rows)
    measured = data.ratings.take(np.arange(n_measured))
    genres_of = notebook.genres_by_movie(data.movies)

    mb_before = peak_mb()
    clock = StageClock()
    notebook.loop_features(measured, genres_of)
    clock.end("features")

    report = clock.report(rows=n_rows, rows_measured=n_measured)
    factor = n_rows / n_measured
    report["seconds"]["features"] *= factor
    report["peak_mb"] = round((report["peak_mb"] - mb_before) * factor)
    return report


def loop_by_us(directory: Path) -> Json:
    """The tutorial's features made by us; memory is what they add to the data's."""
    data = read_data(directory)
    n_rows = len(data.ratings)
    mb_before = peak_mb()
    clock = StageClock()
    spec = FeatureSpec.fit(data.ratings, data.movies, notebook.FEATURES)
    clock.end("fit")

    for first in range(0, n_rows, PIECE_ROWS):
        end = min(first + PIECE_ROWS, n_rows)
        piece = data.ratings.take(np.arange(first, end))
        spec.transform(piece.queries())
    clock.end("features")

    report = clock.report(rows=n_rows)
    report["peak_mb"] -= mb_before
    return report


CONTESTANTS: dict[str, Callable[[Path], Json]] = {
    "ours": ours,
    "pandas": with_pandas,
    "loop": with_loop,
    "loop by us": loop_by_us,
}


def data_of(size: int) -> Path:
    """A directory with that many synthetic ratings, made unless it is there."""
    directory = DATA / str(size)
    if not (directory / "movies.csv").exists():
        synthetic.write(directory, size)
    return directory


def measure(name: str, size: int) -> Json:
    """What a contestant reports, from a process of its own."""
    module = [sys.executable, "-m", "benchmarks.training"]
    return run_for_json([*module, "--only", name, str(data_of(size))])


def contestant_table(sizes: Json) -> Table:
    """A line for each size and contestant."""
    table = Table(
        *("ratings", "", "seconds", "µs a row", "peak MB", "log-loss", "stages, s")
    )
    for size, reports in sizes.items():
        for name, report in reports.items():
            stages = [
                f"{stage} {seconds:.1f}" for stage, seconds in report["seconds"].items()
            ]
            total = sum(report["seconds"].values())
            microseconds = 1e6 * total / report["rows"]
            has_loss = "log_loss" in report
            table.add_row(
                f"{int(size):,}",
                name,
                f"{total:.1f}",
                f"{microseconds:.1f}",
                f"{report['peak_mb']:,}",
                f"{report['log_loss']:.4f}" if has_loss else "",
                ", ".join(stages),
            )
    return table


def compare_loops(size: str, loop: Json, by_us: Json) -> str:
    """One line: how much faster and smaller the tutorial's features are by us."""
    loop_seconds = loop["seconds"]["features"]
    ours_seconds = by_us["seconds"]
    applied = loop_seconds / ours_seconds["features"]
    fitted = loop_seconds / sum(ours_seconds.values())
    memory = loop["peak_mb"] / max(1, by_us["peak_mb"])
    return (
        f"the loop's features at {int(size):,}: applied {applied:.0f} times as fast, "
        f"fitted and applied {fitted:.0f} times, in 1/{memory:.0f} of the memory"
    )


def race_table(size: str, learners: Json) -> Table:
    """A line for each learner."""
    title = f"{int(size):,}: best loss of"
    table = Table(
        *(title, "loss", "rounds", "seconds", "our rounds", "our seconds", "peak MB")
    )
    for name, learner in learners.items():
        table.add_row(
            name,
            f"{learner['best']:.4f}",
            *_cost_cells(learner["itself"]),
            *_cost_cells(learner["ours"]),
            f"{learner['peak_mb']:,}",
        )
    return table


def _cost_cells(cost: Json | None) -> tuple[str, str]:
    """Rounds and seconds to a loss, as text."""
    if cost is None:
        return "", "never"
    return str(cost["rounds"]), f"{cost['seconds']:.0f}"


def show(results: Json, screen: Console) -> None:
    """Print the tables of all sizes and races."""
    screen.print(contestant_table(results["sizes"]))
    for size, reports in results["sizes"].items():
        if "loop" in reports and "loop by us" in reports:
            screen.print(compare_loops(size, reports["loop"], reports["loop by us"]))
    for size, result in results["race"].items():
        screen.print(race_table(size, result))


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--race", type=int, nargs="*", default=SIZES)
    parser.add_argument(
        "--contestants", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS)
    )
    parser.add_argument(
        "--only",
        nargs=2,
        metavar=("CONTESTANT", "DIRECTORY"),
        help="run one contestant, in this process",
    )
    arguments = parser.parse_args()
    if arguments.only:
        name, directory = arguments.only
        print(json.dumps(CONTESTANTS[name](Path(directory))))
        return

    DATA.mkdir(parents=True, exist_ok=True)
    results: Json = {"sizes": {}, "race": {}}
    for size in arguments.sizes:
        results["sizes"][str(size)] = {
            name: measure(name, size) for name in arguments.contestants
        }
    for size in arguments.race:
        results["race"][str(size)] = race(data_of(size))
    screen = console()
    show(results, screen)
    save("training", results, screen)


if __name__ == "__main__":
    main()
