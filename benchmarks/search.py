"""Compares hyperparameters without reading a test row.

A fifth of the training rows of the tutorial's split, drawn by a seed, is set apart. A
model is fitted to the others, features and trees, and asked about the rows set apart as
about new rows. (Their out-of-fold features would be like those of the rows that the
trees have seen, which favours more and larger trees than new rows do.)

``python -m benchmarks.search [CANDIDATE ...]`` compares those, or else all.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from benchmarks.accuracy import fit_model
from benchmarks.data import read_data, split_data
from movielens.ratings import RatingScale
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters
from train.split import Split, hold_out

SHARE_APART = 0.2

CANDIDATES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "another seed": {"seed": 5},
    "more of a node's columns": {"colsample_bynode": 0.5},
    "fewer of a node's columns": {"colsample_bynode": 0.15},
    "wider views": {"colsample_bytree": 0.5},
    "narrower views": {"colsample_bytree": 0.2},
    "more rounds": {"num_round": 520},
    "fewer rounds": {"num_round": 280},
    "depth 6": {"max_depth": 6},
    "larger leaves": {"min_child_weight": 20.0},
    "gamma 0.5": {"gamma": 0.5},
    "without parts": {"movie_rounds": 0.0, "user_rounds": 0.0, "num_round": 240},
}


def main() -> None:
    """Print a line for each candidate: figures, and seconds of one core."""
    data = read_data()
    default = Hyperparameters(split="tutorial", nthread=1)
    train = split_data(data, default).train
    kept, apart = hold_out(len(train), SHARE_APART, default.seed)
    split = Split(train.take(kept), train.take(apart))
    scale = RatingScale.of(data.ratings.rating)
    true_class = scale.to_class(split.test.rating)

    for name in sys.argv[1:] or CANDIDATES:
        started = time.process_time()
        model = fit_model(split, data, replace(default, **CANDIDATES[name]))
        seconds = time.process_time() - started

        figures = evaluate(model.predict(split.test.queries()), true_class)
        print(
            f"{name:26s} exact {100 * figures.accuracy:.2f} %  "
            f"RMSE {figures.rmse:.4f}  log-loss {figures.log_loss:.4f}  "
            f"{seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
