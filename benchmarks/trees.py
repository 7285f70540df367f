"""The server's forest beside XGBoost's own `inplace_predict`: the same trees and rows,
one thread each. Every answer has to have the same bits.

The boosters have 1,000 and 3,000 trees. They are fitted to noise, which fills trees of
any depth if there are enough rows. The two sides take turns of many calls each, because
in turns of one call each would find the caches full of the other's trees, which no
server does. Each call asks for other rows. Figures are medians of processor time.

With a model of ml-latest-small (``--base-dir DIR``), its trees are measured on rows of
that data set, and recommendations from its whole catalogue.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# XGBoost reads it when it is loaded.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.data import read_data
from benchmarks.results import console, save
from movielens import artifact
from movielens.flat_forest import flatten
from serve.forest import FlatForest
from serve.question_answers import QuestionAnswerer
from serve.questions import Question, Wanted
from serve.served_model import load

N_CLASSES = 10
N_FEATURES = 60
N_TRAINED = 50_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A booster to measure; each round has a tree for each class."""

    name: str
    rounds: int
    depth: int


@dataclass(frozen=True, slots=True)
class Load:
    """How many rows a call asks for, and how often each side is called."""

    n_rows: int
    turns: int
    calls: int  # of each turn


SHAPES = (
    Shape("1,000 trees of depth 6", rounds=100, depth=6),
    Shape("3,000 trees of depth 8", rounds=300, depth=8),
)
LOADS = (
    Load(n_rows=1, turns=15, calls=200),
    Load(n_rows=100, turns=9, calls=20),
    Load(n_rows=10_000, turns=5, calls=1),
)

MOST_ROWS = max(load.n_rows * load.calls for load in LOADS)

# Gets the number of the call in its turn.
Work = Callable[[int], object]


def median_ms(works: Mapping[str, Work], turns: int, calls: int) -> dict[str, float]:
    """The median time of a call by name, in milliseconds of processor time."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            began = time.process_time()
            for call in range(calls):
                work(call)
            seconds = time.process_time() - began
            times[name].append(1e3 * seconds / calls)
    return {name: statistics.median(each) for name, each in times.items()}


def noise_booster(shape: Shape, rng: np.random.Generator) -> xgboost.Booster:
    """A booster fitted to noise, a tenth of which is missing."""
    values = rng.normal(size=(N_TRAINED, N_FEATURES)).astype(np.float32)
    is_missing = rng.random(values.shape) < 0.1
    values[is_missing] = np.nan
    classes = rng.integers(0, N_CLASSES, N_TRAINED)
    params = {
        "objective": "multi:softprob",
        "num_class": N_CLASSES,
        "max_depth": shape.depth,
        "max_bin": 64,
    }
    booster = xgboost.train(params, xgboost.DMatrix(values, classes), shape.rounds)
    booster.set_param({"nthread": 1})
    return booster


def measure_load(
    booster: xgboost.Booster, forest: FlatForest, rows: NDArray[np.float32], load: Load
) -> dict[str, float]:
    """Milliseconds a call by side.

    Raises:
        RuntimeError: if an answer of the forest differs in a bit.
    """
    n_asked = load.n_rows * load.calls
    batches = rows[:n_asked].reshape(load.calls, load.n_rows, -1)
    for batch in batches:
        expected = booster.inplace_predict(batch)
        if not np.array_equal(forest.inplace_predict(batch), expected):
            raise RuntimeError(f"{load.n_rows} rows don't have the bits of XGBoost")

    def ask_xgboost(call: int) -> object:
        return booster.inplace_predict(batches[call], validate_features=False)

    def ask_forest(call: int) -> object:
        return forest.inplace_predict(batches[call])

    works = {"XGBoost": ask_xgboost, "kernel": ask_forest}
    return median_ms(works, load.turns, load.calls)


def measure(shape: Shape) -> dict[int, dict[str, float]]:
    """Milliseconds a call, by the number of rows and by side."""
    rng = np.random.default_rng(1)
    booster = noise_booster(shape, rng)
    noise = rng.normal(size=(MOST_ROWS, N_FEATURES))
    return measure_booster(booster, noise.astype(np.float32))


def measure_model(base_dir: Path) -> dict[int, dict[str, float]]:
    """The same of a model, on rows of ml-latest-small."""
    model = artifact.load(base_dir / "model")
    booster = model.booster
    if not isinstance(booster, xgboost.Booster):
        raise TypeError(f"{base_dir} has no booster of XGBoost's")
    booster.set_param({"nthread": 1})
    ratings = read_data().ratings
    rng = np.random.default_rng(1)
    some = ratings.take(rng.permutation(len(ratings))[:MOST_ROWS])
    return measure_booster(booster, model.spec.values(some.queries()))


def measure_booster(
    booster: xgboost.Booster, rows: NDArray[np.float32]
) -> dict[int, dict[str, float]]:
    """Milliseconds a call, by the number of rows and by side."""
    flat = flatten(bytes(booster.save_raw("ubj")))
    forest = FlatForest(flat)
    return {load.n_rows: measure_load(booster, forest, rows, load) for load in LOADS}


def measure_recommendations(base_dir: Path) -> dict[str, float]:
    """Milliseconds for the ten best movies of the whole catalogue, by question."""
    served = load(base_dir / "model")
    user_id = int(served.model.spec.users.ids[0])
    wanted = Wanted(10)
    questions = {
        "of a known user": Question(user_id, None, math.nan, None, wanted),
        "of a known user, at a time": Question(user_id, None, 1.5e9, None, wanted),
        "of an unknown user": Question(-1, None, math.nan, None, wanted),
    }

    def work_of(question: Question) -> Work:
        # A new one each time, as for each request.
        return lambda _: QuestionAnswerer(served.model, served.candidates).answer(
            question
        )

    works = {name: work_of(question) for name, question in questions.items()}
    return median_ms(works, turns=15, calls=1)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trees")
    parser.add_argument("--base-dir", type=Path)
    options = parser.parse_args()
    screen = console()

    headings = ("", "rows", "XGBoost, ms", "kernel, ms", "ratio")
    table = Table(*headings, title="one thread, the same bits")
    results: dict[str, Any] = {}
    for shape in SHAPES:
        results[shape.name] = measure(shape)
    if options.base_dir is not None:
        results["the model's trees"] = measure_model(options.base_dir)
    for name, by_rows in results.items():
        for n_rows, each in by_rows.items():
            xgboost_ms = each["XGBoost"]
            kernel_ms = each["kernel"]
            table.add_row(
                name,
                f"{n_rows:,}",
                f"{xgboost_ms:.3f}",
                f"{kernel_ms:.3f}",
                f"{xgboost_ms / kernel_ms:.1f}",
            )
    screen.print(table)

    if options.base_dir is not None:
        results["recommendations"] = measure_recommendations(options.base_dir)
        for name, ms in results["recommendations"].items():
            screen.print(f"ten of all movies, {name}: {ms:.1f} ms of a processor")
    save("trees", results, screen)


if __name__ == "__main__":
    main()
