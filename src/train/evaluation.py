"""How far predictions are from the ratings, in classes and in stars.

The class is the one that the scores decided on, the point estimate in stars is their
expected rating. Distances count classes, so on the half-star scale a distance of 1 is
half a star.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.evaluation import DISTANCES, Figures
from movielens.predictions import Predictions

# Bins of sureness, from 0 to 1.
N_BINS = 10
# float32 probabilities can be 0; a finite loss needs a floor, the smallest normal
# number that a float32 softmax gives.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


def evaluate(predictions: Predictions, true_class: NDArray[np.int64]) -> Figures:
    """Compare predictions with the true classes.

    Args:
        predictions: of n_rows rows, at least one.
        true_class: int64 (n_rows,), 0 to n_classes - 1.
    """
    n_rows, n_classes = predictions.probabilities.shape
    class_index = predictions.class_index
    apart = np.abs(class_index - true_class)
    counts = np.bincount(np.minimum(apart, len(DISTANCES) - 1), minlength=4).tolist()

    true_rating = np.asarray(predictions.class_values)[true_class]
    error = predictions.expected_rating - true_rating
    true_probability = predictions.probabilities[np.arange(n_rows), true_class]
    likelihood = np.maximum(true_probability.astype(np.float64), SMALLEST_PROBABILITY)

    cell = true_class * n_classes + class_index
    confusion = np.bincount(cell, minlength=n_classes**2)
    confusion = confusion.reshape(n_classes, n_classes)
    reliability = reliability_bins(predictions.probabilities, true_class)
    gaps = (abs(sure - right) * rows for sure, right, rows in reliability)
    shares = (count / n_rows for count in counts)
    return Figures(
        n_rows=n_rows,
        class_values=list(predictions.class_values),
        decision=predictions.decision,
        distance=dict(zip(DISTANCES, shares, strict=True)),
        accuracy=counts[0] / n_rows,
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        log_loss=float(-np.mean(np.log(likelihood))),
        calibration_error=sum(gaps) / n_rows,
        reliability=reliability,
        quadratic_weighted_kappa=quadratic_weighted_kappa(confusion),
        confusion_matrix=confusion.tolist(),
    )


def reliability_bins(
    probabilities: NDArray[np.float32], true_class: NDArray[np.int64]
) -> list[list[float]]:
    """Of each tenth of sureness with rows in it: mean probability of the likeliest
    class, share right, rows.
    """
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == true_class
    place = np.minimum((sure * N_BINS).astype(np.int64), N_BINS - 1)
    rows, total = np.bincount(place, minlength=N_BINS), np.bincount(place, sure, N_BINS)
    hits = np.bincount(place, right, N_BINS)
    return [
        [float(total[k] / rows[k]), float(hits[k] / rows[k]), int(rows[k])]
        for k in np.flatnonzero(rows)
    ]


def quadratic_weighted_kappa(confusion: NDArray[np.int64]) -> float:
    """Cohen's weighted kappa (Cohen 1968) of counts (n_classes, n_classes), weights (i
    - j) squared.
    """
    classes = np.arange(len(confusion))
    weights = (classes[:, None] - classes[None, :]) ** 2
    # Whole numbers, so that nothing is rounded until they are divided, and the result
    # stays between -1 and 1.
    by_chance = int(
        (weights * np.outer(confusion.sum(axis=1), confusion.sum(axis=0))).sum()
    )
    return (
        1 - int((weights * confusion).sum() * confusion.sum()) / by_chance
        if by_chance
        else 0.0
    )
