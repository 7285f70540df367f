"""Boosting: a multiclass XGBoost model, one class for each rating value.

Early stopping never looks at a test row: it sets a share of the training rows apart, finds the number of rounds on
them, and trains again on all training rows for that number.
"""

from __future__ import annotations

import logging
import time

import numpy as np
import xgboost
from numpy.typing import NDArray
from xgboost.callback import EarlyStopping, TrainingCallback

from movielens.errors import DataError
from movielens.features import FeatureMatrix
from train.hyperparameters import Hyperparameters
from train.report import metric_line
from train.split import hold_out
from train.stop import StopSignal

logger = logging.getLogger(__name__)

_PROGRESS_LINES = 10
_VALIDATION_LOSS = "validation:mlogloss"


class _Progress(TrainingCallback):
    """Logs about ten lines a training and ends it after the current round when a stop was asked for."""

    def __init__(self, n_rounds: int, stop: StopSignal) -> None:
        super().__init__()
        self.n_rounds = n_rounds
        self.stop = stop
        self.started = time.monotonic()

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: object) -> bool:  # noqa: ARG002 - XGBoost's
        """True ends the training."""
        done = epoch + 1
        if done == 1 or done % max(1, self.n_rounds // _PROGRESS_LINES) == 0 or done == self.n_rounds:
            rate = done / (time.monotonic() - self.started)
            left = (self.n_rounds - done) / rate
            logger.info("round %d of %d, %.1f rounds/s, %.0f s left", done, self.n_rounds, rate, left)
        if self.stop.requested:
            logger.warning("SIGTERM: stopping after round %d of %d, the model so far is kept", done, self.n_rounds)
        return self.stop.requested


def fit_booster(
    features: FeatureMatrix, class_index: NDArray[np.int64], n_classes: int, settings: Hyperparameters, stop: StopSignal
) -> xgboost.Booster:
    """Train on all rows.

    Args:
        features: float32 (n_rows, n_features).
        class_index: int64 (n_rows,), 0 to n_classes - 1.
        n_classes: the number of classes, whether or not the rows have them all.
        settings: the job's hyperparameters.
        stop: asked after every round; a stop keeps the rounds built so far, or the search's where those are more.

    Raises:
        DataError: if early stopping would have no rows to train on or none to look at.
    """
    n_rounds, trial = settings.num_round, None
    if settings.early_stopping_rounds:
        trial = _search_rounds(features, class_index, n_classes, settings, stop)
        if stop.requested:
            return trial
        n_rounds = trial.num_boosted_rounds()
        logger.info("early stopping chose %d rounds; training on all %d rows", n_rounds, len(features))
    booster = xgboost.train(
        _params(settings, n_classes),
        _matrix(features.values, class_index, features.names, settings.max_bin),
        num_boost_round=n_rounds,
        callbacks=[_Progress(n_rounds, stop)],
        verbose_eval=False,
    )
    cut_short = trial is not None and trial.num_boosted_rounds() > booster.num_boosted_rounds()
    return trial if trial is not None and cut_short else booster


def _search_rounds(
    features: FeatureMatrix, class_index: NDArray[np.int64], n_classes: int, settings: Hyperparameters, stop: StopSignal
) -> xgboost.Booster:
    """The booster of the best round on the rows set apart, trained on the others."""
    kept, held = hold_out(len(features), settings.early_stopping_share, settings.seed)
    if not len(kept) or not len(held):
        raise DataError(
            f"early stopping splits {len(features)} training rows into {len(kept)} to train on "
            f"and {len(held)} to look at: change early_stopping_share, or leave early_stopping_rounds out"
        )
    matrix = _matrix(features.values[kept], class_index[kept], features.names, settings.max_bin)
    check = xgboost.QuantileDMatrix(
        features.values[held],
        class_index[held],
        feature_names=list(features.names),
        ref=matrix,
        max_bin=settings.max_bin,
    )
    booster = xgboost.train(
        _params(settings, n_classes),
        matrix,
        num_boost_round=settings.num_round,
        evals=[(check, "validation")],
        # XGBoost asks no callback after one that ends the training, so the one that keeps the best round comes first.
        callbacks=[EarlyStopping(rounds=settings.early_stopping_rounds), _Progress(settings.num_round, stop)],
        verbose_eval=False,
    )
    logger.info("%s", metric_line(_VALIDATION_LOSS, booster.best_score))
    return booster[: booster.best_iteration + 1]


def _params(settings: Hyperparameters, n_classes: int) -> dict[str, object]:
    objective = {
        "objective": "multi:softprob",
        "num_class": n_classes,
        "eval_metric": "mlogloss",
        "tree_method": "hist",
    }
    return {**settings.booster_params(), **objective, "verbosity": 1}


def _matrix(
    values: NDArray[np.float32], class_index: NDArray[np.int64], names: tuple[str, ...], max_bin: int
) -> xgboost.QuantileDMatrix:
    return xgboost.QuantileDMatrix(values, class_index, feature_names=list(names), max_bin=max_bin)
