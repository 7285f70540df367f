"""The learning curve: how the loss on test rows falls with the rounds.

The rounds are added a few at a time to the margins that the rounds before have reached.
So the whole curve costs one prediction by all trees, on a bounded number of rows.
"""

from __future__ import annotations

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.model import Model
from movielens.report_numbers import Point
from movielens.tables import RatingTable
from train.evaluation import SMALLEST_PROBABILITY

MOST_ROWS = 2_500
# How many points the curve has at most.
POINTS = 40


def learning_curve(
    model: Model,
    booster: xgboost.Booster,
    n_rounds: int,
    test: RatingTable,
    most: int = MOST_ROWS,
) -> list[Point]:
    """Rounds, and the log-loss that so many rounds have on test rows.

    Args:
        model: makes the features.
        booster: the trees of the classes.
        n_rounds: how many of its rounds to look at, from the first on.
        test: the rows, at least one.
        most: how many of them are looked at, evenly spread.
    """
    rows = test.every(most)
    values = model.spec.values(rows.queries())
    true_class = model.spec.scale.to_class(rows.rating)

    ends = np.unique(np.linspace(1, n_rounds, POINTS).astype(int)).tolist()
    margins: NDArray[np.float32] | None = None
    curve: list[Point] = []
    first = 0
    for end in ends:
        margins = booster.inplace_predict(
            values,
            iteration_range=(first, end),
            predict_type="margin",
            validate_features=False,
            base_margin=margins,
        )
        curve.append((float(end), _log_loss(margins, true_class)))
        first = end
    return curve


def _log_loss(margins: NDArray[np.float32], true_class: NDArray[np.int64]) -> float:
    """Mean of -ln p(true class), where p is the softmax of the margins."""
    highest = margins.max(axis=1, keepdims=True)
    weights = np.exp(margins.astype(np.float64) - highest)
    total = weights.sum(axis=1)
    rows = np.arange(len(true_class))
    likelihood = weights[rows, true_class] / total
    at_least = np.maximum(likelihood, SMALLEST_PROBABILITY)
    return -float(np.log(at_least).mean())
