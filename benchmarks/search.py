"""Settings compared inside the training part of the reference split: no test row is
read.

A fifth of the training rows, drawn by a seed, is set apart and asked as new rows are,
of a model whose features and trees are made from the others. (Out-of-fold features of
the rows set apart would be as those that the trees have seen, which favours more and
larger trees than new rows do.) Candidates are named on the command line, all without.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from benchmarks.accuracy import fit_model
from benchmarks.results import ROOT
from movielens.channel import Channel
from movielens.ratings import RatingScale
from movielens.readers import read_dataset
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters
from train.split import Split, hold_out, split_ratings

CANDIDATES = {
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
    """One line a candidate: figures on the rows set apart, seconds of one core."""
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    base = Hyperparameters(split="tutorial", nthread=1)
    train = split_ratings(data.ratings, base.split, base.holdout, base.seed).train
    scale = RatingScale.of(data.ratings.rating)
    kept, held = hold_out(len(train), 0.2, base.seed)
    split = Split(train.take(kept), train.take(held))
    for name in sys.argv[1:] or CANDIDATES:
        started = time.process_time()
        model = fit_model(split, data, replace(base, **CANDIDATES[name]))  # type: ignore[arg-type]
        seconds = time.process_time() - started
        f = evaluate(
            model.predict(split.test.queries()), scale.to_class(split.test.rating)
        )
        print(
            f"{name:26s} exact {100 * f.accuracy:.2f} %  RMSE {f.rmse:.4f}  log-loss {f.log_loss:.4f}  {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
