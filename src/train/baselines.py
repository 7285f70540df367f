"""What a model must beat: predictors that know no more than a count.

Each is a distribution over the classes, learnt from the training rows, so that every
metric of the model can be computed for it too. A mean's class is the one nearest to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.evaluation import Figures
from movielens.features import IdIndex
from movielens.predictions import Predictions
from movielens.ratings import RatingScale
from movielens.tables import RatingTable
from train.evaluation import evaluate

# How many ratings of the prior a user's or a movie's own ratings are weighed against.
PRIOR_WEIGHT = 5.0


def evaluate_baselines(
    train: RatingTable, test: RatingTable, scale: RatingScale
) -> dict[str, Figures]:
    """Figures on ``test`` of baselines fitted on ``train``, by name."""
    true_class = scale.to_class(test.rating)
    train_class = scale.to_class(train.rating)
    prior = np.bincount(train_class, minlength=len(scale.class_values)) / len(train)
    most_frequent = Predictions(
        np.tile(prior.astype(np.float32), (len(test), 1)), scale.class_values
    )
    figures = {"most_frequent_class": evaluate(most_frequent, true_class)}
    for name, train_id, test_id in (
        ("user_mean", train.user_id, test.user_id),
        ("movie_mean", train.movie_id, test.movie_id),
    ):
        predictions = Predictions(
            _histograms(train_id, train_class, test_id, prior),
            scale.class_values,
            "mean",
        )
        figures[name] = evaluate(predictions, true_class)
    return figures


def _histograms(
    train_id: NDArray[np.int32],
    train_class: NDArray[np.int64],
    test_id: NDArray[np.int32],
    prior: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The class histogram of each test row's id, (n_k + w p_k) / (n + w), which is the
    prior for an unknown id.

    Returns float32 (n_rows, n_classes).
    """
    index = IdIndex.of(train_id)
    n_classes = len(prior)
    cell = index.index(train_id) * n_classes + train_class
    counts = np.bincount(cell, minlength=(len(index.ids) + 1) * n_classes).reshape(
        -1, n_classes
    )
    smoothed = (counts + PRIOR_WEIGHT * prior) / (
        counts.sum(axis=1, keepdims=True) + PRIOR_WEIGHT
    )
    histograms: NDArray[np.float32] = smoothed[index.index(test_id)].astype(np.float32)
    return histograms
