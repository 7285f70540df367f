"""Learners to one loss on the same features: ours, LightGBM and CatBoost.

They get our features, made out of fold, and the same two threads; the settings of the
others are in `benchmarks/learners.py`, ours are `RACE`. The loss that is raced for is
the worst of their best ones, so that all reach it. Only training counts: ours, whose
seconds can't be told from those of looking at the test rows, boosts twice. Each runs in
a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import Json, json_of, peak_mb
from benchmarks.results import ROOT
from movielens.channel import Channel
from movielens.features import Column, FeatureMatrix, FeatureSpec, Part
from movielens.ratings import RatingScale
from movielens.readers import read_dataset
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters
from train.objective import class_objective
from train.rounds import Boosting
from train.schedule import Schedule
from train.split import split_ratings
from train.stop import StopSignal

LEARNERS_PYTHON = ROOT / ".venv-learners" / "bin" / "python"
ROUNDS, THREADS = 100, 2
# For few rounds, as those of the others; and without parts, since nothing is unknown in
# this race.
RACE: dict[str, Any] = {
    "eta": 0.4,
    "max_depth": 6,
    "colsample_bynode": 1.0,
    "movie_rounds": 0.0,
    "user_rounds": 0.0,
}


def write_features(directory: Path, target: Path) -> None:
    """Our features of training and test rows, for the learners."""
    settings = Hyperparameters()
    data = read_dataset([Channel("training", directory)])
    split = split_ratings(data.ratings, settings.split, settings.holdout, settings.seed)
    scale = RatingScale.of(data.ratings.rating)
    spec = FeatureSpec.fit(split.train, data.movies, settings.features, scale)
    for name, values in (
        ("train", spec.transform_fitted(split.train).values),
        ("test", spec.transform(split.test.queries()).values),
        ("train_class", scale.to_class(split.train.rating)),
        ("test_class", scale.to_class(split.test.rating)),
    ):
        np.save(target / f"{name}.npy", values)
    told = {"columns": spec.columns, "n_classes": len(scale.class_values)}
    (target / "told.json").write_text(json.dumps(told))


@dataclass
class Watched(StopSignal):
    """Knows when it was asked: after each round, by a clock that began with it."""

    began: float = field(default_factory=time.perf_counter)
    seconds: list[float] = field(default_factory=list)

    def __getattribute__(self, name: str) -> Any:
        if name == "requested":
            self.seconds.append(time.perf_counter() - self.began)
        return super().__getattribute__(name)


def boost(target: Path) -> Json:
    """Ours, as a job boosts: seconds of the rounds alone, and the losses of the same
    rounds.
    """
    told = json.loads((target / "told.json").read_bytes())
    columns = tuple(Column(name, Part(part)) for name, part in told["columns"])
    parts = [
        (np.load(target / f"{part}.npy"), np.load(target / f"{part}_class.npy"))
        for part in ("train", "test")
    ]
    classes = np.concatenate([class_index for _, class_index in parts])
    ends = [len(parts[0][1]), len(classes)]
    train, test = (
        FeatureBlocks(
            len(classes),
            columns,
            partial(
                _block, np.arange(end - len(own), end), FeatureMatrix(values, columns)
            ),
        )
        for end, (values, own) in zip(ends, parts, strict=True)
    )
    settings = Hyperparameters(num_round=ROUNDS, nthread=THREADS, **RACE)
    schedule = Schedule.of(columns, settings, n_rounds=ROUNDS)
    params = class_objective(settings, classes, told["n_classes"]).params
    watch = Watched()
    watched = Boosting(params, TrainingContext(settings, watch), schedule)
    watched.run("race", train, classes, ROUNDS)
    peak = peak_mb()
    looked = Boosting(params, TrainingContext(settings), schedule)
    losses = looked.run("race", train, classes, ROUNDS, test, ROUNDS).losses
    return {
        "curve": [*zip(range(1, ROUNDS + 1), watch.seconds, losses, strict=True)],
        "peak_mb": peak,
    }


def _block(
    rows: NDArray[np.int64], features: FeatureMatrix
) -> Iterator[tuple[NDArray[np.int64], FeatureMatrix]]:
    yield rows, features


def race(directory: Path) -> Json:
    """Seconds of each learner to the loss that all reach."""
    ended: Json = {}
    with tempfile.TemporaryDirectory(dir=directory.parent) as target:
        subprocess.run(
            [sys.executable, "-m", __name__, "--features", directory, target],
            check=True,
            cwd=ROOT,
        )
        ended["Halfstar"] = json_of([sys.executable, "-m", __name__, "--boost", target])
        for name in ("lightgbm", "catboost"):
            command = [
                LEARNERS_PYTHON,
                ROOT / "benchmarks" / "learners.py",
                name,
                target,
                ROUNDS,
                THREADS,
            ]
            ended[name] = json_of([str(part) for part in command])
    target_loss = max(
        min(loss for _, _, loss in told["curve"]) for told in ended.values()
    )
    for told in ended.values():
        rounds, told["seconds"], _ = next(
            point for point in told["curve"] if point[2] <= target_loss
        )
        told |= {
            "rounds": rounds,
            "best": min(loss for _, _, loss in told.pop("curve")),
        }
    return {"log_loss": target_loss, "learners": ended}


def main() -> None:
    """Do a part of a race, in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--features",
        nargs=2,
        type=Path,
        metavar=("DIRECTORY", "TARGET"),
        help="write them",
    )
    parser.add_argument(
        "--boost", type=Path, metavar="TARGET", help="ours on such features"
    )
    arguments = parser.parse_args()
    if arguments.features:
        write_features(*arguments.features)
    if arguments.boost:
        print(json.dumps(boost(arguments.boost)))


if __name__ == "__main__":
    main()
