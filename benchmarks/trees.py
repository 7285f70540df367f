"""The kernel beside XGBoost's own `inplace_predict`, one thread each: the same trees,
the same rows, the same bits.

Boosters of 1,000 and of 3,000 trees are fitted to noise, which fills trees of any depth
where there are rows enough. The sides take turns of many calls each, another row or
rows a call: what alternates call by call finds the caches full of the other's trees, as
no server does. Figures are medians of processor time. At the end, if there is a model
(``--base-dir DIR``), recommendations from all of its catalogue.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Read when XGBoost is loaded.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import xgboost
from rich.table import Table

from benchmarks.results import console, save
from movielens.flat_forest import flatten
from serve.forest import FlatForest
from serve.question_answers import QuestionAnswerer
from serve.questions import Question, Wanted
from serve.served_model import load

N_CLASSES, N_FEATURES, N_TRAINED = 10, 60, 50_000
BOOSTERS = {"1,000 trees of depth 6": (100, 6), "3,000 trees of depth 8": (300, 8)}
# Rows a call: turns of each side, calls a turn.
ASKED = {1: (15, 200), 100: (9, 20), 10_000: (5, 1)}


def median_ms(
    works: Mapping[str, Callable[[int], object]], turns: int, calls: int
) -> dict[str, float]:
    """Milliseconds of processor time a call of each, which is told its number; all of
    it is the work of one thread.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            began = time.process_time()
            for call in range(calls):
                work(call)
            taken[name].append(1e3 * (time.process_time() - began) / calls)
    return {name: statistics.median(each) for name, each in taken.items()}


def measure(rounds: int, depth: int) -> dict[int, dict[str, float]]:
    """Milliseconds by rows; raises RuntimeError where a bit differs."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(N_TRAINED, N_FEATURES)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    settings = {
        "objective": "multi:softprob",
        "num_class": N_CLASSES,
        "max_depth": depth,
        "max_bin": 64,
    }
    booster = xgboost.train(
        settings, xgboost.DMatrix(values, rng.integers(0, N_CLASSES, N_TRAINED)), rounds
    )
    booster.set_param({"nthread": 1})
    forest, found = FlatForest(flatten(bytes(booster.save_raw("ubj")))), {}
    rows = rng.normal(size=(max(ASKED), N_FEATURES)).astype(np.float32)
    for n_rows, (turns, calls) in ASKED.items():
        parts = rows[: n_rows * calls].reshape(calls, n_rows, N_FEATURES)
        if not all(
            np.array_equal(forest.inplace_predict(part), booster.inplace_predict(part))
            for part in parts
        ):
            raise RuntimeError(f"{n_rows} rows don't have the bits of XGBoost")
        works = {
            "XGBoost": lambda call, parts=parts: booster.inplace_predict(
                parts[call], validate_features=False
            ),
            "kernel": lambda call, parts=parts: forest.inplace_predict(parts[call]),
        }
        found[n_rows] = median_ms(works, turns, calls)
    return found


def measure_recommendations(base_dir: Path) -> dict[str, float]:
    """Milliseconds for the ten best of the whole catalogue, of a known user and of one
    who is unknown.
    """
    served = load(base_dir / "model")
    user_id, wanted = int(served.model.spec.users.ids[0]), Wanted(10)
    questions = {
        "of a known user": Question(user_id, None, math.nan, None, wanted),
        "of a known user, at a time": Question(user_id, None, 1.5e9, None, wanted),
        "of an unknown user": Question(-1, None, math.nan, None, wanted),
    }
    works = {
        name: lambda _, asked=asked: QuestionAnswerer(
            served.model, served.candidates
        ).answer(asked)
        for name, asked in questions.items()
    }
    return median_ms(works, 15, 1)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trees")
    parser.add_argument("--base-dir", type=Path)
    asked = parser.parse_args()
    screen = console()
    table = Table(
        "",
        "rows",
        "XGBoost, ms",
        "kernel, ms",
        "ratio",
        title="one thread, the same bits",
    )
    results: dict[str, Any] = {}
    for name, (rounds, depth) in BOOSTERS.items():
        results[name] = measure(rounds, depth)
        for n_rows, each in results[name].items():
            ratio = each["XGBoost"] / each["kernel"]
            table.add_row(
                name,
                f"{n_rows:,}",
                f"{each['XGBoost']:.3f}",
                f"{each['kernel']:.3f}",
                f"{ratio:.1f}",
            )
    screen.print(table)
    if asked.base_dir is not None:
        results["recommendations"] = measure_recommendations(asked.base_dir)
        for name, taken in results["recommendations"].items():
            screen.print(f"ten of all movies, {name}: {taken:.1f} ms of a processor")
    save("trees", results, screen)


if __name__ == "__main__":
    main()
