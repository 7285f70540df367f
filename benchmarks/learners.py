"""One learner on features from files, in a process of its own: ``python learners.py
NAME DIRECTORY ROUNDS THREADS``.

It imports nothing of ours, since LightGBM and CatBoost live in an environment of their
    own. Prints JSON: for every
fifth round the seconds of training so far, without those of looking at the test rows
where the library lets them be told apart, and the log-loss on the test rows; and the
peak of its memory.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

EVERY = 5
# Near to ours where both libraries have the same setting. LightGBM's learning rate of
# 0.25 was quicker than 0.1; it is about as much as XGBoost's 0.4, whose second
# derivatives of a softmax are greater. For CatBoost 0.6 was quicker than 0.4.
LIGHTGBM = {
    **{
        "objective": "multiclass",
        "metric": "multi_logloss",
        "learning_rate": 0.25,
        "num_leaves": 31,
        "max_bin": 63,
    },
    **{
        "feature_fraction": 0.4,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "verbosity": -1,
        "seed": 1,
    },
}
CATBOOST = {
    **{
        "loss_function": "MultiClass",
        "learning_rate": 0.6,
        "depth": 6,
        "border_count": 64,
        "l2_leaf_reg": 5.0,
    },
    **{
        "bootstrap_type": "Bernoulli",
        "subsample": 0.7,
        "rsm": 0.4,
        "boosting_type": "Plain",
        "random_seed": 1,
    },
}
Curve = Iterator[tuple[int, float, float]]


def lightgbm_curve(data: dict[str, Any], n_rounds: int, n_threads: int) -> Curve:
    """LightGBM, round by round."""
    import lightgbm

    began = time.perf_counter()
    params = {**LIGHTGBM, "num_class": data["n_classes"], "num_threads": n_threads}
    train = lightgbm.Dataset(
        data["train"], data["train_class"], params=params
    ).construct()
    test = train.create_valid(data["test"], data["test_class"]).construct()
    booster = lightgbm.Booster(params, train)
    booster.add_valid(test, "test")
    spent = time.perf_counter() - began
    for round_ in range(n_rounds):
        began = time.perf_counter()
        booster.update()
        spent += time.perf_counter() - began
        if (round_ + 1) % EVERY == 0:
            yield round_ + 1, spent, float(booster.eval_valid()[0][2])


def catboost_curve(data: dict[str, Any], n_rounds: int, n_threads: int) -> Curve:
    """CatBoost, which tells the time and the loss in files as it goes; the time has
    that of the losses in it.
    """
    import catboost

    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        train = catboost.Pool(data["train"], data["train_class"])
        test = catboost.Pool(data["test"], data["test_class"])
        before = time.perf_counter() - began
        options = {
            "iterations": n_rounds,
            "thread_count": n_threads,
            "metric_period": EVERY,
            "use_best_model": False,
        }
        catboost.CatBoost(
            {**CATBOOST, **options, "train_dir": directory, "verbose": False}
        ).fit(train, eval_set=test)
        passed = _columns(Path(directory) / "time_left.tsv")
        losses = _columns(Path(directory) / "test_error.tsv")
        for round_, loss in sorted(losses.items()):
            if round_ in passed:
                yield round_ + 1, before + passed[round_] / 1000, loss


def _columns(path: Path) -> dict[int, float]:
    rows = (line.split("\t") for line in path.read_text().splitlines()[1:])
    return {int(row[0]): float(row[1]) for row in rows}


CURVES: dict[str, Callable[[dict[str, Any], int, int], Curve]] = {
    "lightgbm": lightgbm_curve,
    "catboost": catboost_curve,
}


def main() -> None:
    """Run one of `CURVES`."""
    name, directory, n_rounds, n_threads = (
        sys.argv[1],
        Path(sys.argv[2]),
        int(sys.argv[3]),
        int(sys.argv[4]),
    )
    names = ("train", "test", "train_class", "test_class")
    data: dict[str, Any] = {part: np.load(directory / f"{part}.npy") for part in names}
    data |= json.loads((directory / "told.json").read_bytes())
    curve = list(CURVES[name](data, n_rounds, n_threads))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"curve": curve, "peak_mb": peak}))


if __name__ == "__main__":
    main()
