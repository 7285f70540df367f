"""Booster settings compared inside the training part of the reference split: no test row is read.

The features of the training rows are out of fold. A fifth of them, drawn by a seed, is set apart, each candidate is
trained on the others and judged by its log-loss there. Candidates are named on the command line, all without.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks.results import ROOT
from movielens.features import FeatureMatrix, FeatureSpec
from movielens.model import Scores
from movielens.ratings import RatingScale
from movielens.readers import read_dataset
from train.blocks import FeatureBlocks
from train.booster import fit_booster
from train.evaluation import evaluate
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.split import hold_out, split_ratings
from train.stop import StopSignal

CANDIDATES = {
    "as it is": {},
    "narrower views": {"colsample_bytree": 0.25},
    "more rounds": {"num_round": 440},
    "gamma 1": {"gamma": 1.0},
    "depth 6": {"max_depth": 6, "eta": 0.06, "num_round": 320},
    "quicker": {"num_round": 260, "eta": 0.07},
    "stronger leaves": {"min_child_weight": 20.0, "lambda_": 10.0},
    "without parts": {"movie_rounds": 0.0, "user_rounds": 0.0, "num_round": 240},
}


def main() -> None:
    """One line a candidate: figures on the rows set apart, seconds of one core."""
    data = read_dataset({"training": ROOT / "data" / "ml-latest-small"})
    base = Hyperparameters(split="tutorial", nthread=1)
    train = split_ratings(data.ratings, base.split, base.holdout, base.seed).train
    scale = RatingScale.of(train.rating)
    spec = FeatureSpec.fit(train, data.movies, base.features, scale)
    features = spec.transform_fitted(train, hide(train.queries(), base.hidden_share, base.seed)).values
    classes = scale.to_class(train.rating)
    kept, held = hold_out(len(train), 0.2, base.seed)
    for name in sys.argv[1:] or CANDIDATES:
        settings = replace(base, **CANDIDATES[name])  # type: ignore[arg-type]
        started = time.process_time()
        blocks = FeatureBlocks.of(FeatureMatrix(np.ascontiguousarray(features[kept]), spec.names))
        booster = fit_booster(blocks, classes[kept], len(scale.class_values), settings, StopSignal())
        seconds = time.process_time() - started
        scores = Scores.of(booster.inplace_predict(features[held]), scale.class_values)
        f = evaluate(scores, classes[held], scale.class_values)
        print(
            f"{name:24s} exact {100 * f.accuracy:.2f} %  RMSE {f.rmse:.4f}  log-loss {f.log_loss:.4f}  {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
