"""One learner on features from files, in a process of its own.

``python learners.py NAME DIRECTORY ROUNDS THREADS``. It imports nothing of ours,
because LightGBM and CatBoost are in an environment of their own.

Prints JSON:

- ``curve``: for every fifth round its number, the seconds of training so far, and the
  log-loss on the test rows. The seconds leave out the looks at the test rows where the
  library lets them be told apart;
- ``peak_mb``: the most memory that the process has had.
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

EVERY_ROUNDS = 5

# The best that were found on a million synthetic ratings, near to ours where the
# libraries have the same settings. With a learning rate of 0.6 CatBoost is quicker, but
# its best loss is higher. So is LightGBM's with trees of 31 leaves.
LIGHTGBM = {
    "objective": "multiclass",
    "metric": "multi_logloss",
    "learning_rate": 0.15,
    "num_leaves": 16,
    "max_depth": 4,
    "max_bin": 63,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbosity": -1,
    "seed": 1,
}
CATBOOST = {
    "loss_function": "MultiClass",
    "learning_rate": 0.4,
    "depth": 6,
    "border_count": 64,
    "l2_leaf_reg": 5.0,
    "bootstrap_type": "Bernoulli",
    "subsample": 0.7,
    "rsm": 0.4,
    "boosting_type": "Plain",
    "random_seed": 1,
    "use_best_model": False,
    "verbose": False,
}

Curve = Iterator[tuple[int, float, float]]


def lightgbm_curve(data: dict[str, Any], n_rounds: int, n_threads: int) -> Curve:
    """LightGBM, round by round."""
    import lightgbm

    params = {**LIGHTGBM, "num_class": data["n_classes"], "num_threads": n_threads}
    started = time.perf_counter()
    train = lightgbm.Dataset(data["train"], data["train_class"], params=params)
    train.construct()
    test = train.create_valid(data["test"], data["test_class"]).construct()
    booster = lightgbm.Booster(params, train)
    booster.add_valid(test, "test")
    seconds = time.perf_counter() - started

    for n_done in range(1, n_rounds + 1):
        started = time.perf_counter()
        booster.update()
        seconds += time.perf_counter() - started
        if n_done % EVERY_ROUNDS == 0:
            _, _, loss, _ = booster.eval_valid()[0]
            yield n_done, seconds, float(loss)


def catboost_curve(data: dict[str, Any], n_rounds: int, n_threads: int) -> Curve:
    """CatBoost, by the files in which it writes times and losses.

    Its times include the looks at the test rows.
    """
    import catboost

    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        train = catboost.Pool(data["train"], data["train_class"])
        test = catboost.Pool(data["test"], data["test_class"])
        seconds_before = time.perf_counter() - started

        settings = {
            **CATBOOST,
            "iterations": n_rounds,
            "thread_count": n_threads,
            "metric_period": EVERY_ROUNDS,
            "train_dir": directory,
        }
        catboost.CatBoost(settings).fit(train, eval_set=test)
        milliseconds = _numbers_by_round(Path(directory) / "time_left.tsv")
        losses = _numbers_by_round(Path(directory) / "test_error.tsv")

    for round_index, loss in sorted(losses.items()):
        if round_index in milliseconds:
            seconds = seconds_before + milliseconds[round_index] / 1000
            yield round_index + 1, seconds, loss


def _numbers_by_round(path: Path) -> dict[int, float]:
    """The second column of a file of CatBoost's by the first, the round from 0."""
    numbers = {}
    for line in path.read_text().splitlines()[1:]:
        round_index, number, *_ = line.split("\t")
        numbers[int(round_index)] = float(number)
    return numbers


CURVES: dict[str, Callable[[dict[str, Any], int, int], Curve]] = {
    "lightgbm": lightgbm_curve,
    "catboost": catboost_curve,
}


def main() -> None:
    """Run one of `CURVES`."""
    name, directory, n_rounds, n_threads = sys.argv[1:]
    data = read_features(Path(directory))
    curve = CURVES[name](data, int(n_rounds), int(n_threads))
    report = {"curve": list(curve), "peak_mb": peak_mb()}
    print(json.dumps(report))


def read_features(directory: Path) -> dict[str, Any]:
    """What `benchmarks.racing` wrote: features, classes, and how many classes."""
    data: dict[str, Any] = json.loads((directory / "facts.json").read_bytes())
    for name in ("train", "test", "train_class", "test_class"):
        data[name] = np.load(directory / f"{name}.npy")
    return data


def peak_mb() -> int:
    """The most memory that this process has had so far, in MB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
