"""What a model must beat: predictors that only count.

Each gives a distribution over the classes, learnt from the training rows, so every
metric of the model can be computed for it too. The class of a mean is the one nearest
to it.
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

# The distribution of all ratings counts as much as this many ratings of the user or of
# the movie.
PRIOR_WEIGHT = 5.0


def evaluate_baselines(
    train: RatingTable, test: RatingTable, scale: RatingScale
) -> dict[str, Figures]:
    """Fit the baselines on ``train`` and evaluate them on ``test``.

    Returns:
        Figures of ``most_frequent_class``, ``user_mean`` and ``movie_mean``.
    """
    true_class = scale.to_class(test.rating)
    train_class = scale.to_class(train.rating)
    n_classes = len(scale.class_values)
    prior = np.bincount(train_class, minlength=n_classes) / len(train)

    same_for_all = np.tile(prior.astype(np.float32), (len(test), 1))
    most_frequent = Predictions(same_for_all, scale.class_values)
    figures = {"most_frequent_class": evaluate(most_frequent, true_class)}

    ids = {
        "user_mean": (train.user_id, test.user_id),
        "movie_mean": (train.movie_id, test.movie_id),
    }
    for name, (train_id, test_id) in ids.items():
        histograms = _histograms(train_id, train_class, test_id, prior)
        means = Predictions(histograms, scale.class_values, "mean")
        figures[name] = evaluate(means, true_class)
    return figures


def _histograms(
    train_id: NDArray[np.int32],
    train_class: NDArray[np.int64],
    test_id: NDArray[np.int32],
    prior: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The distribution over the classes for each test row's id.

    It is (n_k + w p_k) / (n + w): the id's counts n_k, drawn towards the prior p_k with
    weight w. An unknown id gets the prior.

    Returns:
        float32 (n_rows, n_classes).
    """
    index = IdIndex.of(train_id)
    n_classes = len(prior)
    n_ids = len(index.ids) + 1  # one for unknown ids
    cell = index.index(train_id) * n_classes + train_class
    counts = np.bincount(cell, minlength=n_ids * n_classes).reshape(-1, n_classes)

    n_ratings = counts.sum(axis=1, keepdims=True)
    smoothed = (counts + PRIOR_WEIGHT * prior) / (n_ratings + PRIOR_WEIGHT)
    histograms: NDArray[np.float32] = smoothed[index.index(test_id)].astype(np.float32)
    return histograms
