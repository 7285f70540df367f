"""Our forest in C beside XGBoost's own `inplace_predict`, one thread each.

Both evaluate the same trees on the same rows, and must give the same bits. Boosters of
1,000 and of 3,000 trees are fitted to noise, which fills trees of any depth if there
are rows enough.

The two take turns of many calls each, with another row or rows in each call. If they
took turns call by call, each would find the caches full of the other's trees, which no
server does. Figures are medians of processor time.

With ``--base-dir DIR`` the recommendations of that model are timed too, from all of its
catalogue.
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

from benchmarks.results import console, save
from movielens.flat_forest import flatten
from serve.forest import FlatForest
from serve.questions import Question, Wanted
from serve.recommendations import Answerer
from serve.served_model import load

N_CLASSES = 10
N_FEATURES = 60
N_TRAINING_ROWS = 50_000
MISSING_SHARE = 0.1

# Rounds and depth; a round is a tree for each class.
BOOSTERS = {"1,000 trees of depth 6": (100, 6), "3,000 trees of depth 8": (300, 8)}


@dataclass(frozen=True, slots=True)
class Turns:
    """How many turns each side has, and how many calls a turn."""

    n_turns: int
    n_calls: int


# By rows a call.
TURNS = {1: Turns(15, 200), 100: Turns(9, 20), 10_000: Turns(5, 1)}
RECOMMENDATION_TURNS = Turns(15, 1)


def median_ms(
    sides: Mapping[str, Callable[[int], object]], turns: Turns
) -> dict[str, float]:
    """Milliseconds of processor time that a call of each side takes.

    A side is called with the number of the call.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns.n_turns):
        for name, side in sides.items():
            started = time.process_time()
            for call in range(turns.n_calls):
                side(call)
            seconds = time.process_time() - started
            milliseconds[name].append(1e3 * seconds / turns.n_calls)
    return {name: statistics.median(each) for name, each in milliseconds.items()}


def fit_to_noise(n_rounds: int, depth: int, rng: np.random.Generator) -> Any:
    """A booster of full trees."""
    values = rng.normal(size=(N_TRAINING_ROWS, N_FEATURES)).astype(np.float32)
    values[rng.random(values.shape) < MISSING_SHARE] = np.nan
    classes = rng.integers(0, N_CLASSES, N_TRAINING_ROWS)
    settings = {
        "objective": "multi:softprob",
        "num_class": N_CLASSES,
        "max_depth": depth,
        "max_bin": 64,
    }
    booster = xgboost.train(settings, xgboost.DMatrix(values, classes), n_rounds)
    booster.set_param({"nthread": 1})
    return booster


def measure(n_rounds: int, depth: int) -> dict[int, dict[str, float]]:
    """Milliseconds a call of each side, by rows.

    Raises:
        RuntimeError: if the two differ in a bit.
    """
    rng = np.random.default_rng(1)
    booster = fit_to_noise(n_rounds, depth, rng)
    forest = FlatForest(flatten(bytes(booster.save_raw("ubj"))))
    rows = rng.normal(size=(max(TURNS), N_FEATURES)).astype(np.float32)

    milliseconds = {}
    for n_rows, turns in TURNS.items():
        n_needed = n_rows * turns.n_calls
        calls = rows[:n_needed].reshape(turns.n_calls, n_rows, N_FEATURES)
        for features in calls:
            ours = forest.inplace_predict(features)
            theirs = booster.inplace_predict(features)
            if not np.array_equal(ours, theirs):
                raise RuntimeError(f"{n_rows} rows don't have the bits of XGBoost")

        def xgboost_side(call: int, calls: NDArray[np.float32] = calls) -> object:
            return booster.inplace_predict(calls[call], validate_features=False)

        def kernel_side(call: int, calls: NDArray[np.float32] = calls) -> object:
            return forest.inplace_predict(calls[call])

        sides = {"XGBoost": xgboost_side, "kernel": kernel_side}
        milliseconds[n_rows] = median_ms(sides, turns)
    return milliseconds


def measure_recommendations(base_dir: Path) -> dict[str, float]:
    """Milliseconds for the ten best of the whole catalogue, by who asks."""
    served = load(base_dir / "model")
    user_id = int(served.model.spec.users.ids[0])
    wanted = Wanted(10)
    questions = {
        "of a known user": Question(user_id, None, math.nan, None, wanted),
        "of a known user, at a time": Question(user_id, None, 1.5e9, None, wanted),
        "of an unknown user": Question(-1, None, math.nan, None, wanted),
    }

    def side(question: Question) -> Callable[[int], object]:
        # As for a request: an answerer of its own, which remembers nothing.
        return lambda _: Answerer(served.model, served.candidates).answer(question)

    sides = {name: side(question) for name, question in questions.items()}
    return median_ms(sides, RECOMMENDATION_TURNS)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trees")
    parser.add_argument("--base-dir", type=Path)
    options = parser.parse_args()

    screen = console()
    table = Table(
        *("", "rows", "XGBoost, ms", "kernel, ms", "ratio"),
        title="one thread, the same bits",
    )
    results: dict[str, Any] = {}
    for name, (n_rounds, depth) in BOOSTERS.items():
        results[name] = measure(n_rounds, depth)
        for n_rows, milliseconds in results[name].items():
            theirs = milliseconds["XGBoost"]
            ours = milliseconds["kernel"]
            table.add_row(
                name,
                f"{n_rows:,}",
                f"{theirs:.3f}",
                f"{ours:.3f}",
                f"{theirs / ours:.1f}",
            )
    screen.print(table)

    if options.base_dir is not None:
        results["recommendations"] = measure_recommendations(options.base_dir)
        for name, taken in results["recommendations"].items():
            screen.print(f"ten of all movies, {name}: {taken:.1f} ms of a processor")
    save("trees", results, screen)


if __name__ == "__main__":
    main()
