"""Compares hyperparameters without reading a test row.

A fifth of the training rows of a split is set apart. A model is fitted to the others,
features and trees, and asked about the rows set apart as about new rows. (Their
out-of-fold features would be like those of the rows that the trees have seen, which
favours more and larger trees than new rows do.)

- ``--split tutorial``, the default, draws the rows by a seed.
- ``--split temporal`` takes the last rows by time. Most are of users whom the others
  don't have, and the figures are of such rows alone.

``python -m benchmarks.search [--split SPLIT] [CANDIDATE ...]`` compares those, or else
all of the split.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.accuracy import fit_model
from benchmarks.data import read_data, split_data
from movielens.ratings import RatingScale
from movielens.readers import Dataset
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters, SplitName
from train.split import Split, hold_out, split_ratings

SHARE_APART = 0.2

Candidates = dict[str, dict[str, Any]]

OF_ALL_ROWS: Candidates = {
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
# Rounds for known users, which take the most time, have no influence on the figures.
OF_UNKNOWN_USERS: Candidates = {
    "as it is": {},
    "another seed": {"seed": 5},
    "no rounds of the date": {"date_rounds": 0.0},
    "fewer rounds of the date": {"date_rounds": 0.14},
    "more rounds of the date": {"date_rounds": 0.33},
    "rows alike": {"user_evenness": 0.0},
    "evenness 0.25": {"user_evenness": 0.25},
    "evenness 0.75": {"user_evenness": 0.75},
    "users alike": {"user_evenness": 1.0},
    "old and new rows alike": {"half_life": 0.0},
    "half-life of 2 years": {"half_life": 2.0},
    "half-life of 7 years": {"half_life": 7.0},
}
CANDIDATES: dict[SplitName, Candidates] = {
    "tutorial": OF_ALL_ROWS,
    "temporal": OF_UNKNOWN_USERS,
}


def set_apart(data: Dataset, default: Hyperparameters) -> Split:
    """The training rows of the split in two parts."""
    train = split_data(data, default).train
    if default.split == "temporal":
        parts = split_ratings(train, "temporal", SHARE_APART, default.seed)
        is_unknown = ~np.isin(parts.test.user_id, parts.train.user_id)
        return Split(parts.train, parts.test.take(np.flatnonzero(is_unknown)))
    kept, apart = hold_out(len(train), SHARE_APART, default.seed)
    return Split(train.take(kept), train.take(apart))


def main() -> None:
    """Print a line for each candidate: figures, and seconds of one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=CANDIDATES, default="tutorial")
    parser.add_argument("names", nargs="*", metavar="CANDIDATE")
    arguments = parser.parse_args()
    candidates = CANDIDATES[arguments.split]

    data = read_data()
    default = Hyperparameters(split=arguments.split, nthread=1)
    split = set_apart(data, default)
    scale = RatingScale.of(data.ratings.rating)
    true_class = scale.to_class(split.test.rating)

    for name in arguments.names or candidates:
        started = time.process_time()
        model = fit_model(split, data, replace(default, **candidates[name]))
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
