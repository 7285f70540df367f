"""Training on synthetic ratings of growing size, stage by stage, beside what people
use; and learners to one loss.

``make bench-training`` runs both on sizes up to a million; ``python -m
benchmarks.training --sizes 25000000`` runs a larger one. Every contestant runs in a
process of its own, one after the other, so that its memory is its own:

- ours: the job's own stages, from files to the evaluated model;
- pandas: vectorised features (genre flags, year) in a frame, and a DMatrix;
- the tutorial's loop over rows, on at most half a million of them, its time and memory
taken as growing with the rows;
- the same features as the tutorial's made by us, in blocks as training does, for
comparison with the loop.

The race is `benchmarks/racing.py`'s.
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

from benchmarks import synthetic
from benchmarks.processes import Json, json_of, peak_mb
from benchmarks.racing import THREADS, race
from benchmarks.results import BENCH, console, save
from benchmarks.tutorial import loop_features
from movielens.channel import Channel
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from movielens.readers import read_dataset
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.evaluation import evaluate
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.predicting import PIECE_ROWS, predict
from train.split import split_ratings

DATA = BENCH / "synthetic"
ROUNDS, LOOP_ROWS = 20, 500_000


class Stages:
    """Seconds of each stage, in turn."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.began = time.perf_counter()

    def end(self, name: str) -> None:
        """What was done since the last one is called so."""
        now = time.perf_counter()
        self.seconds[name], self.began = now - self.began, now

    def told(self, **more: Any) -> Json:
        """All of it, with the peak of this process's memory in MB."""
        return {"seconds": self.seconds, "peak_mb": peak_mb(), **more}


def ours(directory: Path) -> Json:
    """The job's stages."""
    stages, settings = Stages(), Hyperparameters(num_round=ROUNDS, nthread=THREADS)
    data = read_dataset([Channel("training", directory)])
    stages.end("read")
    split = split_ratings(data.ratings, settings.split, settings.holdout, settings.seed)
    scale = RatingScale.of(data.ratings.rating)
    stages.end("split")
    spec = FeatureSpec.fit(split.train, data.movies, settings.features, scale)
    stages.end("fit")
    hidden = hide(split.train.queries(), settings.hidden_share, settings.seed)
    context = TrainingContext(settings)
    blocks = FeatureBlocks.fitted(spec, split.train, hidden, context)
    for _ in blocks.make():
        pass
    stages.end("features out of fold")
    boosters = fit_boosters(blocks, split.train.rating, scale, context)
    model = Model(spec, boosters.classes)
    stages.end(f"{ROUNDS} rounds")
    scores = predict(model, split.test)
    figures = evaluate(scores, scale.to_class(split.test.rating))
    stages.end("evaluation")
    return stages.told(
        rows=len(data.ratings), n_features=len(spec.names), log_loss=figures.log_loss
    )


def with_pandas(directory: Path) -> Json:
    """The tutorial's features as a frame, vectorised, with the same learner and rounds."""
    stages, settings = Stages(), Hyperparameters()
    ratings = pd.read_csv(directory / "ratings.csv")
    movies = pd.read_csv(directory / "movies.csv")
    stages.end("read")
    flags = movies["genres"].str.get_dummies("|").astype(np.uint8)
    frame = ratings.merge(pd.concat([movies[["movieId"]], flags], axis=1), on="movieId")
    stages.end("features")
    label = (frame.pop("rating") * 2 - 1).astype(np.int32)
    tested = np.random.default_rng(settings.seed).random(len(frame)) < settings.holdout
    params = {
        **settings.booster_params(),
        "objective": "multi:softprob",
        "num_class": 10,
        "nthread": THREADS,
    }
    train = xgboost.DMatrix(frame[~tested], label[~tested])
    test = xgboost.DMatrix(frame[tested], label[tested])
    stages.end("DMatrix")
    booster = xgboost.train({**params, "tree_method": "hist"}, train, ROUNDS)
    stages.end(f"{ROUNDS} rounds")
    probability = booster.predict(test)[np.arange(int(tested.sum())), label[tested]]
    stages.end("evaluation")
    return stages.told(rows=len(ratings), log_loss=float(-np.log(probability).mean()))


def with_loop(directory: Path) -> Json:
    """The tutorial's loop over some rows; seconds and memory are then of all of them."""
    data = read_dataset([Channel("training", directory)])
    some = data.ratings.take(np.arange(min(LOOP_ROWS, len(data.ratings))))
    genres_of = dict(
        zip(data.movies.movie_id.tolist(), data.movies.genres, strict=True)
    )
    before, stages = peak_mb(), Stages()
    loop_features(some, genres_of)
    stages.end("features")
    share = len(data.ratings) / len(some)
    told = stages.told(rows=len(data.ratings), rows_measured=len(some))
    told["seconds"]["features"] *= share
    told["peak_mb"] = round((told["peak_mb"] - before) * share)
    return told


def loop_by_us(directory: Path) -> Json:
    """The loop's features, made by us in blocks; memory is what they add to that of the
    data.
    """
    data = read_dataset([Channel("training", directory)])
    before, stages = peak_mb(), Stages()
    spec = FeatureSpec.fit(data.ratings, data.movies, ("ids",))
    stages.end("fit")
    for first in range(0, len(data.ratings), PIECE_ROWS):
        spec.transform(
            data.ratings.take(
                np.arange(first, min(first + PIECE_ROWS, len(data.ratings)))
            ).queries()
        )
    stages.end("features")
    told = stages.told(rows=len(data.ratings))
    told["peak_mb"] -= before
    return told


CONTESTANTS: dict[str, Callable[[Path], Json]] = {
    "ours": ours,
    "pandas": with_pandas,
    "loop": with_loop,
    "loop by us": loop_by_us,
}


def _data_of(size: int) -> Path:
    directory = DATA / str(size)
    if not (directory / "movies.csv").exists():
        synthetic.write(directory, size)
    return directory


def show(results: Json, screen: Console) -> None:
    """The table of all sizes and the race."""
    table = Table(
        "ratings", "", "seconds", "µs a row", "peak MB", "log-loss", "stages, s"
    )
    for size, entry in results["sizes"].items():
        for name, told in entry.items():
            total = sum(told["seconds"].values())
            stages = ", ".join(
                f"{stage} {seconds:.1f}" for stage, seconds in told["seconds"].items()
            )
            loss = f"{told['log_loss']:.4f}" if "log_loss" in told else ""
            each = f"{1e6 * total / told['rows']:.1f}"
            table.add_row(
                f"{int(size):,}",
                name,
                f"{total:.1f}",
                each,
                f"{told['peak_mb']:,}",
                loss,
                stages,
            )
    screen.print(table)
    for size, entry in results["sizes"].items():
        if {"loop", "loop by us"} <= entry.keys():
            loop, ours = (
                entry["loop"]["seconds"]["features"],
                entry["loop by us"]["seconds"],
            )
            memory = entry["loop"]["peak_mb"] / max(1, entry["loop by us"]["peak_mb"])
            applied, fitted = loop / ours["features"], loop / sum(ours.values())
            screen.print(
                f"the loop's features at {int(size):,}: applied {applied:.0f} times as fast, fitted and applied "
                f"{fitted:.0f} times, in 1/{memory:.0f} of the memory"
            )
    for size, raced in results["race"].items():
        table = Table(
            f"to log-loss {raced['log_loss']:.4f} at {int(size):,}",
            "seconds",
            "rounds",
            "best",
            "peak MB",
        )
        for name, told in raced["learners"].items():
            table.add_row(
                name,
                f"{told['seconds']:.1f}",
                str(told["rounds"]),
                f"{told['best']:.4f}",
                f"{told['peak_mb']:,}",
            )
        screen.print(table)


def main() -> None:
    """Measure and write ``build/bench/training.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--race", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument(
        "--contestants", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS)
    )
    parser.add_argument(
        "--only",
        nargs=2,
        metavar=("CONTESTANT", "DIRECTORY"),
        help="one contestant, in this process",
    )
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(CONTESTANTS[arguments.only[0]](Path(arguments.only[1]))))
        return
    DATA.mkdir(parents=True, exist_ok=True)
    sizes = {
        str(size): {
            name: json_of(
                [
                    sys.executable,
                    "-m",
                    __spec__.name,
                    "--only",
                    name,
                    str(_data_of(size)),
                ]
            )
            for name in arguments.contestants
        }
        for size in arguments.sizes
    }
    results = {
        "sizes": sizes,
        "race": {str(size): race(_data_of(size)) for size in arguments.race},
    }
    screen = console()
    show(results, screen)
    save("training", results, screen)


if __name__ == "__main__":
    main()
