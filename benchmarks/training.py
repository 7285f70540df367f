"""Training on synthetic ratings of growing size, stage by stage, beside what people use; and learners to one loss.

``make bench-training`` runs both on sizes up to a million; ``python -m benchmarks.training --sizes 25000000`` runs a
larger one. Every contestant runs in a process of its own, one after the other, so that its memory is its own:

- ours: the job's own stages, from files to the evaluated model;
- pandas: vectorised features (genre flags, year) in a frame, and a DMatrix;
- the tutorial's loop over rows, on at most half a million of them, its time and memory taken as growing with the rows;
- the same features as the tutorial's made by us, in blocks as training does, for comparison with the loop.

The learners get our features, made out of fold, and the same two threads; the settings of the others are in
`benchmarks/learners.py`, ours are `RACE`. The loss that is raced for is the worst of their best ones, so that all reach
it. Only training counts: ours, whose seconds can't be told from those of looking at the test rows, boosts twice.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import synthetic
from benchmarks.results import BENCH, ROOT, console, save
from benchmarks.tutorial import loop_features
from movielens.features import FeatureMatrix, FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from movielens.readers import read_dataset
from train.blocks import PREDICTED_ROWS, FeatureBlocks, predict
from train.booster import fit_booster, params_of, schedule_of
from train.checkpoint import Checkpoints
from train.evaluation import evaluate
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.rounds import Boosting
from train.split import split_ratings
from train.stop import StopSignal

DATA = BENCH / "synthetic"
LEARNERS_PYTHON = ROOT / ".venv-learners" / "bin" / "python"
ROUNDS, RACE_ROUNDS, LOOP_ROWS, THREADS = 20, 100, 500_000, 2
# For few rounds, as those of the others; and without parts, since nothing is unknown in this race.
RACE: dict[str, Any] = {"eta": 0.4, "max_depth": 6, "colsample_bynode": 1.0, "movie_rounds": 0.0, "user_rounds": 0.0}
Json = dict[str, Any]


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
        return {"seconds": self.seconds, "peak_mb": _peak_mb(), **more}


def ours(directory: Path) -> Json:
    """The job's stages."""
    stages, settings = Stages(), Hyperparameters(num_round=ROUNDS, nthread=THREADS)
    data = read_dataset({"training": directory})
    stages.end("read")
    split = split_ratings(data.ratings, settings.split, settings.holdout, settings.seed)
    scale = RatingScale.of(data.ratings.rating)
    stages.end("split")
    spec = FeatureSpec.fit(split.train, data.movies, settings.features, scale)
    stages.end("fit")
    hidden = hide(split.train.queries(), settings.hidden_share, settings.seed)
    blocks = FeatureBlocks.fitted(spec, split.train, hidden, StopSignal(), most=settings.tree_rows)
    for _ in blocks.make():
        pass
    stages.end("features out of fold")
    classes = scale.to_class(split.train.rating)
    model = Model(spec, fit_booster(blocks, classes, len(scale.class_values), settings, StopSignal()))
    stages.end(f"{ROUNDS} rounds")
    scores = predict(model, split.test)
    figures = evaluate(scores, scale.to_class(split.test.rating), scale.class_values)
    stages.end("evaluation")
    return stages.told(rows=len(data.ratings), n_features=len(spec.names), log_loss=figures.log_loss)


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
    params = {**settings.booster_params(), "objective": "multi:softprob", "num_class": 10, "nthread": THREADS}
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
    data = read_dataset({"training": directory})
    some = data.ratings.take(np.arange(min(LOOP_ROWS, len(data.ratings))))
    genres_of = dict(zip(data.movies.movie_id.tolist(), data.movies.genres, strict=True))
    before, stages = _peak_mb(), Stages()
    loop_features(some, genres_of)
    stages.end("features")
    share = len(data.ratings) / len(some)
    told = stages.told(rows=len(data.ratings), rows_measured=len(some))
    told["seconds"]["features"] *= share
    told["peak_mb"] = round((told["peak_mb"] - before) * share)
    return told


def loop_by_us(directory: Path) -> Json:
    """The loop's features, made by us in blocks; memory is what they add to that of the data."""
    data = read_dataset({"training": directory})
    before, stages = _peak_mb(), Stages()
    spec = FeatureSpec.fit(data.ratings, data.movies, ("ids",))
    stages.end("fit")
    for first in range(0, len(data.ratings), PREDICTED_ROWS):
        spec.transform(data.ratings.take(np.arange(first, min(first + PREDICTED_ROWS, len(data.ratings)))).queries())
    stages.end("features")
    told = stages.told(rows=len(data.ratings))
    told["peak_mb"] -= before
    return told


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


CONTESTANTS: dict[str, Callable[[Path], Json]] = {
    "ours": ours,
    "pandas": with_pandas,
    "loop": with_loop,
    "loop by us": loop_by_us,
}


def write_features(directory: Path, target: Path) -> None:
    """Our features of training and test rows, for the learners."""
    settings = Hyperparameters()
    data = read_dataset({"training": directory})
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
    told = {"names": spec.names, "n_classes": len(scale.class_values)}
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
    """Ours, as a job boosts: seconds of the rounds alone, and the losses of the same rounds."""
    told = json.loads((target / "told.json").read_bytes())
    names = tuple(told["names"])
    parts = [(np.load(target / f"{part}.npy"), np.load(target / f"{part}_class.npy")) for part in ("train", "test")]
    classes = np.concatenate([class_index for _, class_index in parts])
    ends = [len(parts[0][1]), len(classes)]
    train, test = (
        FeatureBlocks(
            len(classes), names, partial(_block, np.arange(end - len(own), end), FeatureMatrix(values, names))
        )
        for end, (values, own) in zip(ends, parts, strict=True)
    )
    settings = Hyperparameters(num_round=RACE_ROUNDS, nthread=THREADS, **RACE)
    schedule = schedule_of(names, settings, RACE_ROUNDS, 0, timed=True)
    params = params_of(settings, told["n_classes"])
    watch = Watched()
    Boosting(params, watch, Checkpoints(), schedule).run("race", train, classes, RACE_ROUNDS)
    peak = _peak_mb()
    looked = Boosting(params, StopSignal(), Checkpoints(), schedule)
    losses = looked.run("race", train, classes, RACE_ROUNDS, test, RACE_ROUNDS).losses
    return {"curve": [*zip(range(1, RACE_ROUNDS + 1), watch.seconds, losses, strict=True)], "peak_mb": peak}


def _block(rows: NDArray[np.int64], features: FeatureMatrix) -> Iterator[tuple[NDArray[np.int64], FeatureMatrix]]:
    yield rows, features


def race(directory: Path) -> Json:
    """Seconds of each learner to the loss that all reach."""
    ended: Json = {}
    with tempfile.TemporaryDirectory(dir=DATA) as target:
        subprocess.run([sys.executable, "-m", __spec__.name, "--features", directory, target], check=True, cwd=ROOT)
        ended["Halfstar"] = _json_of([sys.executable, "-m", __spec__.name, "--boost", target])
        for name in ("lightgbm", "catboost"):
            command = [LEARNERS_PYTHON, ROOT / "benchmarks" / "learners.py", name, target, RACE_ROUNDS, THREADS]
            ended[name] = _json_of([str(part) for part in command])
    target_loss = max(min(loss for _, _, loss in told["curve"]) for told in ended.values())
    for told in ended.values():
        rounds, told["seconds"], _ = next(point for point in told["curve"] if point[2] <= target_loss)
        told |= {"rounds": rounds, "best": min(loss for _, _, loss in told.pop("curve"))}
    return {"log_loss": target_loss, "learners": ended}


def _json_of(command: list[str]) -> Json:
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _data_of(size: int) -> Path:
    directory = DATA / str(size)
    if not (directory / "movies.csv").exists():
        synthetic.write(directory, size)
    return directory


def show(results: Json, screen: Console) -> None:
    """The table of all sizes and the race."""
    table = Table("ratings", "", "seconds", "µs a row", "peak MB", "log-loss", "stages, s")
    for size, entry in results["sizes"].items():
        for name, told in entry.items():
            total = sum(told["seconds"].values())
            stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in told["seconds"].items())
            loss = f"{told['log_loss']:.4f}" if "log_loss" in told else ""
            each = f"{1e6 * total / told['rows']:.1f}"
            table.add_row(f"{int(size):,}", name, f"{total:.1f}", each, f"{told['peak_mb']:,}", loss, stages)
    screen.print(table)
    for size, entry in results["sizes"].items():
        if {"loop", "loop by us"} <= entry.keys():
            loop, ours = entry["loop"]["seconds"]["features"], entry["loop by us"]["seconds"]
            memory = entry["loop"]["peak_mb"] / max(1, entry["loop by us"]["peak_mb"])
            applied, fitted = loop / ours["features"], loop / sum(ours.values())
            screen.print(
                f"the loop's features at {int(size):,}: applied {applied:.0f} times as fast, fitted and applied "
                f"{fitted:.0f} times, in 1/{memory:.0f} of the memory"
            )
    for size, raced in results["race"].items():
        table = Table(f"to log-loss {raced['log_loss']:.4f} at {int(size):,}", "seconds", "rounds", "best", "peak MB")
        for name, told in raced["learners"].items():
            table.add_row(
                name, f"{told['seconds']:.1f}", str(told["rounds"]), f"{told['best']:.4f}", f"{told['peak_mb']:,}"
            )
        screen.print(table)


def main() -> None:
    """Measure and write ``build/bench/training.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--race", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--contestants", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--only", nargs=2, metavar=("CONTESTANT", "DIRECTORY"), help="one contestant, in this process")
    parser.add_argument("--features", nargs=2, metavar=("DIRECTORY", "TARGET"), help="write the learners' features")
    parser.add_argument("--boost", type=Path, metavar="TARGET", help="ours on such features, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(CONTESTANTS[arguments.only[0]](Path(arguments.only[1]))))
        return
    if arguments.boost:
        print(json.dumps(boost(arguments.boost)))
        return
    if arguments.features:
        write_features(Path(arguments.features[0]), Path(arguments.features[1]))
        return
    DATA.mkdir(parents=True, exist_ok=True)
    sizes = {
        str(size): {
            name: _json_of([sys.executable, "-m", __spec__.name, "--only", name, str(_data_of(size))])
            for name in arguments.contestants
        }
        for size in arguments.sizes
    }
    results = {"sizes": sizes, "race": {str(size): race(_data_of(size)) for size in arguments.race}}
    screen = console()
    show(results, screen)
    save("training", results, screen)


if __name__ == "__main__":
    main()
