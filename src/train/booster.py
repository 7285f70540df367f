"""Boosting: a multiclass XGBoost model, one class for each rating value.

Early stopping never looks at a test row: it sets a share of the training rows apart,
    finds the number of rounds on
them, and trains again on all training rows for that number.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.errors import DataError
from movielens.features import Column
from train.blocks import FeatureBlocks
from train.checkpoint import Checkpoints
from train.cluster import ALONE, Cluster
from train.device import find_device
from train.hyperparameters import Hyperparameters
from train.model_surgery import averaged, compact, with_gates
from train.report import metric_line
from train.rounds import Boosted, Boosting, n_rounds_of
from train.schedule import Schedule
from train.split import hold_out
from train.stop import StoppedError, StopSignal

logger = logging.getLogger(__name__)

_SEARCH, _FINAL = "search", "final"
REGRESSION = "regression"
_VALIDATION_LOSS = "validation:mlogloss"


def fit_booster(
    blocks: FeatureBlocks,
    class_index: NDArray[np.int64],
    n_classes: int,
    settings: Hyperparameters,
    stop: StopSignal,
    checkpoints: Checkpoints | None = None,
    cluster: Cluster = ALONE,
    start: bytes = b"",
    *,
    timed: bool = True,
) -> xgboost.Booster:
    """Train on all rows.

    Args:
        blocks: the features of n_rows rows.
        class_index: int64 (n_rows,), 0 to n_classes - 1.
        n_classes: the number of classes, whether or not the rows have them all.
        settings: the job's hyperparameters.
        stop: asked after every round; a stop keeps the rounds built so far, or the
            search's where those are more.
        checkpoints: where to go on from and what to leave behind; none by default.
        cluster: the hosts, each with blocks of its own.
        start: a booster whose rounds come first, as XGBoost's UBJSON; empty to begin
            anew.
        timed: whether the rows have times.

    Raises:
        DataError: if early stopping would have no rows to train on or none to look at.
        JobError: if a checkpoint can't be written.
        StoppedError: a stop before there was a single round.
    """
    params, checkpoints = params_of(settings, n_classes), checkpoints or Checkpoints()
    schedule = schedule_of(
        blocks.columns, settings, settings.num_round, n_rounds_of(start), timed=timed
    )
    boosting = Boosting(params, stop, checkpoints, schedule, cluster, start)
    try:
        boosters = _fit(boosting, blocks, class_index, settings)
    except StoppedError:
        longest = boosting.longest(but=REGRESSION)
        # Of several hosts, the others may have been further.
        if longest is None or len(cluster) > 1:
            raise
        boosters = [longest]
    return compact(
        averaged(
            [with_gates(booster, schedule) for booster in boosters], schedule.before
        )
    )


def schedule_of(
    features: tuple[Column, ...],
    settings: Hyperparameters,
    n_rounds: int,
    before: int,
    *,
    timed: bool,
) -> Schedule:
    """The schedule of ``n_rounds`` new rounds after those of an earlier model."""
    # Those that answer without the user or the time are among the rounds before.
    user = before or round(settings.movie_rounds * n_rounds)
    moment = before or user + round(settings.user_rounds * n_rounds)
    return Schedule(features, before, user, moment if timed else before + n_rounds)


def _fit(
    boosting: Boosting,
    blocks: FeatureBlocks,
    class_index: NDArray[np.int64],
    settings: Hyperparameters,
) -> list[xgboost.Booster]:
    """Boosters to average."""
    n_rounds, trial = boosting.schedule.before + settings.num_round, None
    if settings.early_stopping_rounds:
        search = boosting.completed(_SEARCH) or _search_rounds(
            boosting, blocks, class_index, settings
        )
        trial = search.best
        logger.info("%s", metric_line(_VALIDATION_LOSS, min(search.losses)))
        if boosting.stop.requested:
            return [trial]
        n_rounds = trial.num_boosted_rounds()
        logger.info(
            "early stopping chose %d rounds; training on all %d rows",
            n_rounds,
            blocks.n_rows,
        )
    boosters = []
    for place in range(settings.n_models):
        one = replace(
            boosting, params={**boosting.params, "seed": settings.seed + place}
        )
        boosters.append(
            one.run(f"{_FINAL}{place or ''}", blocks, class_index, n_rounds).booster
        )
        if boosting.stop.requested:
            break
    rounds = [booster.num_boosted_rounds() for booster in boosters]
    if trial is not None and trial.num_boosted_rounds() > rounds[0]:
        return [trial]
    # The last one may have been stopped.
    return [
        booster for booster, n in zip(boosters, rounds, strict=True) if n == rounds[0]
    ]


def _search_rounds(
    boosting: Boosting,
    blocks: FeatureBlocks,
    class_index: NDArray[np.int64],
    settings: Hyperparameters,
) -> Boosted:
    """Boosting on most rows until the rows set apart gain nothing more."""
    kept, held = hold_out(blocks.n_rows, settings.early_stopping_share, settings.seed)
    if not len(kept) or not len(held):
        raise DataError(
            f"early stopping splits {blocks.n_rows} training rows into {len(kept)} to train on "
            f"and {len(held)} to look at: change early_stopping_share, or leave early_stopping_rounds out"
        )
    n_rounds, patience = (
        boosting.schedule.before + settings.num_round,
        settings.early_stopping_rounds,
    )
    return boosting.run(
        _SEARCH, blocks.among(kept), class_index, n_rounds, blocks.among(held), patience
    )


def params_of(settings: Hyperparameters, n_classes: int) -> dict[str, object]:
    """What XGBoost is given for classes."""
    objective = {
        "objective": "multi:softprob",
        "num_class": n_classes,
        "eval_metric": "mlogloss",
    }
    return {
        **settings.booster_params(),
        **objective,
        "device": find_device(settings.device),
        "verbosity": 1,
    }
