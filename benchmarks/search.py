"""Compares hyperparameters without reading a test row.

Some of the training rows of a split are set apart. A model is fitted to the others,
features and trees, and asked about the rows set apart as about new rows. (Their
out-of-fold features would be like those of the rows that the trees have seen, which
favours more and larger trees than new rows do.)

- ``--split tutorial``, the default, draws a fifth of the rows by a seed.
- ``--split temporal`` does it five times. The training rows are in ten parts by time;
  a model of the first five to nine parts is asked about the next part, and the figures
  are of all rows of users that it doesn't know. There are only about fifty such users
  in a part.

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
from movielens.evaluation import Figures
from movielens.features.groups import DEFAULT_GROUPS
from movielens.predictions import Predictions
from movielens.ratings import RatingScale
from movielens.readers import Dataset
from movielens.tables import RatingTable
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters, SplitName
from train.split import Split, hold_out, split_ratings

SHARE_APART = 0.2
# By time.
N_PARTS = 10

Candidates = dict[str, dict[str, Any]]

WITHOUT_TITLES = tuple(name for name in DEFAULT_GROUPS if name != "titles")
# What the defaults were before there were axes.
SMALL_STEPS = {"axis_rounds": 0.0, "num_round": 300, "eta": 0.05, "lambda_": 5.0}
OF_ALL_ROWS: Candidates = {
    "as it is": {},
    "another seed": {"seed": 5},
    "no titles": {"features": WITHOUT_TITLES},
    "no titles, another seed": {"features": WITHOUT_TITLES, "seed": 5},
    "no axes": {"axis_rounds": 0.0},
    "no axes, another seed": {"axis_rounds": 0.0, "seed": 5},
    "small steps": SMALL_STEPS,
    "small steps, another seed": {**SMALL_STEPS, "seed": 5},
    "fewer rounds along axes": {"axis_rounds": 0.4},
    "more rounds along axes": {"axis_rounds": 0.8},
    "more of a node's columns": {"colsample_bynode": 0.5},
    "fewer of a node's columns": {"colsample_bynode": 0.15},
    "wider views": {"colsample_bytree": 0.5},
    "narrower views": {"colsample_bytree": 0.2},
    "more rounds": {"num_round": 260},
    "fewer rounds": {"num_round": 140},
    "lambda 5": {"lambda_": 5.0},
    "depth 6": {"max_depth": 6},
    "larger leaves": {"min_child_weight": 20.0},
    "gamma 1.5": {"gamma": 1.5},
}
# Unknown users are answered by these groups, and by as many rounds of the movie and of
# the date as in the default job. Other groups and rounds would only take time.
_DEFAULT = Hyperparameters()
_N_MAIN = 100
FOR_UNKNOWN_USERS: dict[str, Any] = {
    "features": ("statistics", "histograms", "factors", "era"),
    "num_round": _N_MAIN,
    "movie_rounds": _DEFAULT.movie_rounds * _DEFAULT.num_round / _N_MAIN,
    "user_rounds": 0.0,
    "date_rounds": _DEFAULT.date_rounds * _DEFAULT.num_round / _N_MAIN,
}
OF_UNKNOWN_USERS: Candidates = {
    "as it is": {},
    "another seed": {"seed": 5},
    "no rounds of the date": {"date_rounds": 0.0},
    "fewer rounds of the date": {"date_rounds": 0.2},
    "more rounds of the date": {"date_rounds": 0.8},
    "rows alike": {"user_evenness": 0.0},
    "evenness 0.5": {"user_evenness": 0.5},
    "users alike": {"user_evenness": 1.0},
}
CANDIDATES: dict[SplitName, Candidates] = {
    "tutorial": OF_ALL_ROWS,
    "temporal": OF_UNKNOWN_USERS,
}


def drawn(train: RatingTable, seed: int) -> list[Split]:
    """The rows in two parts, by a seed."""
    kept, apart = hold_out(len(train), SHARE_APART, seed)
    return [Split(train.take(kept), train.take(apart))]


def later_unknown_users(train: RatingTable) -> list[Split]:
    """Earlier rows, and the next ones of users who aren't among them."""
    splits = []
    for n_parts in range(N_PARTS // 2, N_PARTS):
        holdout = 1 - (n_parts + 1) / N_PARTS
        known = train
        if holdout > 0:
            known = split_ratings(train, "temporal", holdout, seed=0).train
        parts = split_ratings(known, "temporal", 1 / (n_parts + 1), seed=0)
        is_unknown = ~np.isin(parts.test.user_id, parts.train.user_id)
        test = parts.test.take(np.flatnonzero(is_unknown))
        splits.append(Split(parts.train, test))
    return splits


def measure(
    splits: list[Split], data: Dataset, hyperparameters: Hyperparameters
) -> Figures:
    """Figures of the rows set apart in all splits, each asked of its own model."""
    parts = []
    for split in splits:
        model = fit_model(split, data, hyperparameters)
        parts.append(model.predict(split.test.queries()))
    ratings = np.concatenate([split.test.rating for split in splits])
    scale = RatingScale.of(data.ratings.rating)
    return evaluate(Predictions.concatenate(parts), scale.to_class(ratings))


def main() -> None:
    """Print a line for each candidate: figures, and seconds of one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=CANDIDATES, default="tutorial")
    parser.add_argument("names", nargs="*", metavar="CANDIDATE")
    arguments = parser.parse_args()
    candidates = CANDIDATES[arguments.split]

    data = read_data()
    default = Hyperparameters(split=arguments.split, nthread=1)
    train = split_data(data, default).train
    if arguments.split == "temporal":
        default = replace(default, **FOR_UNKNOWN_USERS)
        splits = later_unknown_users(train)
    else:
        splits = drawn(train, default.seed)

    for name in arguments.names or candidates:
        started = time.process_time()
        figures = measure(splits, data, replace(default, **candidates[name]))
        seconds = time.process_time() - started
        print(
            f"{name:26s} exact {100 * figures.accuracy:.2f} %  "
            f"RMSE {figures.rmse:.4f}  log-loss {figures.log_loss:.4f}  "
            f"{seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
