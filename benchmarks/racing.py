"""Learners to their best losses on the same features: ours, LightGBM and CatBoost.

They get our features, made out of fold, and the same number of threads. The settings of
the others are in `benchmarks.learners`; ours are `RACE`. All were chosen on the rows
that the losses are of.

Each of the others is raced to its own best loss: how long it takes there, and how long
ours takes to a loss as low. Only training counts. The seconds of our rounds can't be
told from those of looking at the test rows, so ours boosts twice: once for the seconds
and once for the losses. Each learner runs in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import read_data, split_data
from benchmarks.processes import Json, peak_mb, run_for_json
from benchmarks.results import ROOT
from movielens.features import Column, FeatureMatrix, FeatureSpec, Part
from movielens.ratings import RatingScale
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters
from train.objective import class_objective
from train.rounds import Boosting
from train.schedule import Schedule
from train.stop import StopSignal
from train.views import Bins, Views

LEARNERS_PYTHON = ROOT / ".venv-learners" / "bin" / "python"
LEARNERS = ROOT / "benchmarks" / "learners.py"
N_THREADS = 2

# With these rounds and ours, losses hardly fall any more, or rise again.
ROUNDS_OF_OTHERS = {"lightgbm": 200, "catboost": 100}

# A million synthetic ratings want smaller trees and larger leaves than the real ones.
# Only the main chain of rounds is boosted, since nothing is unknown in this race.
RACE: dict[str, Any] = {
    "num_round": 250,
    "eta": 0.25,
    "max_depth": 4,
    "min_child_weight": 200.0,
    "gamma": 3.0,
    "colsample_bynode": 1.0,
}


def write_features(data_directory: Path, target: Path) -> None:
    """Write our features of training and test rows into ``target``."""
    hyperparameters = Hyperparameters()
    data = read_data(data_directory)
    split = split_data(data, hyperparameters)
    scale = RatingScale.of(data.ratings.rating)
    spec = FeatureSpec.fit(split.train, data.movies, hyperparameters.features, scale)
    arrays: dict[str, NDArray[Any]] = {
        "train": spec.transform_fitted(split.train).values,
        "test": spec.transform(split.test.queries()).values,
        "train_class": scale.to_class(split.train.rating),
        "test_class": scale.to_class(split.test.rating),
    }
    for name, values in arrays.items():
        np.save(target / f"{name}.npy", values)
    facts = {"columns": spec.columns, "class_values": scale.class_values}
    (target / "facts.json").write_text(json.dumps(facts))


@dataclass
class RoundClock(StopSignal):
    """Keeps the time of each round: boosting asks for a stop after every round."""

    started: float = field(default_factory=time.perf_counter)
    seconds: list[float] = field(default_factory=list)

    def __getattribute__(self, name: str) -> Any:
        if name == "requested":
            self.seconds.append(time.perf_counter() - self.started)
        return super().__getattribute__(name)


def boost(target: Path) -> Json:
    """Ours, as a job boosts; the curve is that of `benchmarks.learners`."""
    facts = json.loads((target / "facts.json").read_bytes())
    columns = tuple(Column(name, Part(part)) for name, part in facts["columns"])
    train_class = np.load(target / "train_class.npy")
    test_class = np.load(target / "test_class.npy")

    # Positions are among all rows, of which the training rows come first.
    classes = np.concatenate([train_class, test_class])
    positions = np.arange(len(classes))
    n_train = len(train_class)
    train_features = FeatureMatrix(np.load(target / "train.npy"), columns)
    test_features = FeatureMatrix(np.load(target / "test.npy"), columns)
    train = one_block(train_features, positions[:n_train], len(classes))
    test = one_block(test_features, positions[n_train:], len(classes))

    hyperparameters = Hyperparameters(nthread=N_THREADS, **RACE)
    n_rounds = hyperparameters.num_round
    scale = RatingScale(tuple(facts["class_values"]))
    objective = class_objective(hyperparameters, classes, scale)
    params = objective.params

    clock = RoundClock()
    timed = Boosting(
        params,
        TrainingContext(hyperparameters, clock),
        axes=objective.axes,
        n_axis_rounds=objective.n_axis_rounds(n_rounds),
    )
    timed.run("race", views((train,), classes, params), n_rounds)
    peak = peak_mb()

    watched = replace(timed, context=TrainingContext(hyperparameters))
    losses = watched.run("race", views((train, test), classes, params), n_rounds).losses

    rounds = range(1, n_rounds + 1)
    curve = list(zip(rounds, clock.seconds, losses, strict=True))
    return {"curve": curve, "peak_mb": peak}


def views(
    parts: tuple[FeatureBlocks, ...],
    classes: NDArray[np.int64],
    params: Mapping[str, Any],
) -> Views:
    """What rounds look at that look at all features."""
    [blocks, *_] = parts
    schedule = Schedule.of(blocks.columns, Hyperparameters())
    return Views(
        Bins(parts, params["max_bin"]),
        classes,
        schedule.main,
        schedule.columns(schedule.main),
        share=params["colsample_bytree"],
        seed=params["seed"],
    )


def one_block(
    features: FeatureMatrix, positions: NDArray[np.int64], n_rows: int
) -> FeatureBlocks:
    """Features as one block, at some positions among ``n_rows`` rows."""

    def make() -> Iterator[tuple[NDArray[np.int64], FeatureMatrix]]:
        yield positions, features

    return FeatureBlocks(n_rows, features.columns, make)


def race(data_directory: Path) -> Json:
    """Best loss of each learner, what it costs, and what ours takes to one as low."""
    with tempfile.TemporaryDirectory(dir=data_directory.parent) as target:
        own_module = [sys.executable, "-m", __name__]
        writing = [*own_module, "--features", str(data_directory), target]
        subprocess.run(writing, check=True, cwd=ROOT)

        ours = run_for_json([*own_module, "--boost", target])
        reports = {"Halfstar": ours}
        for name, n_rounds in ROUNDS_OF_OTHERS.items():
            learner = [str(LEARNERS_PYTHON), str(LEARNERS), name, target]
            reports[name] = run_for_json([*learner, str(n_rounds), str(N_THREADS)])

    learners = {}
    for name, report in reports.items():
        best = min(loss for _, _, loss in report["curve"])
        learners[name] = {
            "best": best,
            "itself": _first_to_reach(report["curve"], best),
            "ours": _first_to_reach(ours["curve"], best),
            "peak_mb": report["peak_mb"],
        }
    return learners


def _first_to_reach(curve: list[list[float]], loss_to_reach: float) -> Json | None:
    """The first round whose loss is low enough, and the seconds until then."""
    for n_rounds, seconds, loss in curve:
        if loss <= loss_to_reach:
            return {"rounds": n_rounds, "seconds": seconds}
    return None


def main() -> None:
    """Do one part of a race, in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--features",
        nargs=2,
        type=Path,
        metavar=("DIRECTORY", "TARGET"),
        help="write the features of the data in DIRECTORY",
    )
    parser.add_argument(
        "--boost", type=Path, metavar="TARGET", help="run ours on such features"
    )
    arguments = parser.parse_args()
    if arguments.features:
        write_features(*arguments.features)
    if arguments.boost:
        print(json.dumps(boost(arguments.boost)))


if __name__ == "__main__":
    main()
