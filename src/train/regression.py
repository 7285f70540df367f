"""The regression: a second booster on the same features, which estimates stars by least
squares, one tree a round.

A distribution over classes spends its trees on telling classes apart; one on the stars
alone errs in other places, so that halfway between the two the squared error is less
than with either (`movielens.predictions.Predictions` has them meet). Its rounds follow the same
schedule and stand behind the same gates, for rows of which not all is known.
"""

from __future__ import annotations

import logging

import numpy as np
import xgboost
from numpy.typing import NDArray

from train.blocks import FeatureBlocks
from train.booster import REGRESSION, schedule_of
from train.checkpoint import Checkpoints
from train.cluster import ALONE, Cluster
from train.device import find_device
from train.hyperparameters import Hyperparameters
from train.model_surgery import compact, with_gates
from train.rounds import Boosting, n_rounds_of
from train.stop import StoppedError, StopSignal

logger = logging.getLogger(__name__)

# What the classes' booster has as hyperparameters: one tree a round instead of one a
# class takes other values.
_PARAMS = {
    "eta": 0.04,
    "max_depth": 6,
    "min_child_weight": 30.0,
    "subsample": 0.7,
    "colsample_bytree": 0.35,
    "colsample_bynode": 1.0,
    "gamma": 0.0,
    "lambda": 8.0,
    "objective": "reg:squarederror",
}


def fit_regression(
    blocks: FeatureBlocks,
    rating: NDArray[np.float32],
    settings: Hyperparameters,
    stop: StopSignal,
    checkpoints: Checkpoints | None = None,
    cluster: Cluster = ALONE,
    start: bytes = b"",
    *,
    timed: bool = True,
) -> xgboost.Booster | None:
    """Train on all rows, once the classes' booster has all its rounds.

    Args:
        blocks: the features of n_rows rows.
        rating: float32 (n_rows,), stars.
        settings: the job's hyperparameters.
        stop: asked after every round.
        checkpoints: where to go on from and what to leave behind; none by default.
        cluster: the hosts, each with blocks of its own.
        start: a regression whose rounds come first, as XGBoost's UBJSON; empty to begin
            anew.
        timed: whether the rows have times.

    Returns:
        None where no rounds are asked for, and after a stop: some of the rounds would
            draw all estimates to the mean.

    Raises:
        JobError: if a checkpoint can't be written.
        StoppedError: of several hosts, a stop while features were made.
    """
    if not settings.regression_rounds or cluster.any(stop.requested):
        return None
    before = n_rounds_of(start)
    schedule = schedule_of(
        blocks.columns, settings, settings.regression_rounds, before, timed=timed
    )
    params = {
        **settings.booster_params(),
        **_PARAMS,
        "device": find_device(settings.device),
        "verbosity": 1,
    }
    boosting = Boosting(
        params, stop, checkpoints or Checkpoints(), schedule, cluster, start
    )
    n_rounds = before + settings.regression_rounds
    logger.info("regression on the stars of %d rows", blocks.n_rows)
    try:
        booster = boosting.run(REGRESSION, blocks, rating, n_rounds).booster
    except StoppedError:
        if len(cluster) > 1:
            raise
        return None
    if booster.num_boosted_rounds() < n_rounds:
        logger.warning("the regression isn't whole, the model goes without it")
        return None
    return compact(with_gates(booster, schedule))
