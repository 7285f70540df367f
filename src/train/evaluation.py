"""How far predictions are from the ratings, in classes and in stars.

In classes, the predicted class is compared; on the half-star scale a distance of 1 is
half a star. In stars, the expected rating is compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.evaluation import DISTANCES, Figures
from movielens.predictions import Predictions

# Bins of confidence, from 0 to 1.
N_BINS = 10
# A float32 probability can be 0, and a finite loss needs a floor. This is the smallest
# normal number that a float32 softmax gives.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


def evaluate(predictions: Predictions, true_class: NDArray[np.int64]) -> Figures:
    """Compare predictions with the true classes.

    Args:
        predictions: of n_rows rows, at least one.
        true_class: int64 (n_rows,), 0 to n_classes - 1.
    """
    n_rows, n_classes = predictions.probabilities.shape
    class_index = predictions.class_index
    distance = np.abs(class_index - true_class)
    last = len(DISTANCES) - 1
    counts = np.bincount(np.minimum(distance, last), minlength=len(DISTANCES)).tolist()
    shares = (count / n_rows for count in counts)

    true_rating = np.asarray(predictions.class_values)[true_class]
    error = predictions.expected_rating - true_rating
    true_probability = predictions.probabilities[np.arange(n_rows), true_class]
    likelihood = np.maximum(true_probability.astype(np.float64), SMALLEST_PROBABILITY)

    cell = true_class * n_classes + class_index
    cells = np.bincount(cell, minlength=n_classes**2)
    confusion = cells.reshape(n_classes, n_classes)
    reliability = reliability_bins(predictions.probabilities, true_class)
    gaps = (abs(sure - right) * rows for sure, right, rows in reliability)
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
    """How often predictions of each confidence are right.

    The confidence of a row is the probability of its most likely class.

    Args:
        probabilities: float32 (n_rows, n_classes).
        true_class: int64 (n_rows,), 0 to n_classes - 1.

    Returns:
        For each of ten bins of confidence with rows in it: mean confidence, share of
        rows that are right, number of rows.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == true_class
    bin_index = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)

    n_rows = np.bincount(bin_index, minlength=N_BINS)
    sum_confidence = np.bincount(bin_index, confidence, N_BINS)
    n_right = np.bincount(bin_index, is_right, N_BINS)
    filled = np.flatnonzero(n_rows)
    return [
        [
            float(sum_confidence[k] / n_rows[k]),
            float(n_right[k] / n_rows[k]),
            int(n_rows[k]),
        ]
        for k in filled
    ]


def quadratic_weighted_kappa(confusion: NDArray[np.int64]) -> float:
    """Cohen's kappa with the squared distance of the classes as weight.

    Source: J. Cohen, "Weighted kappa", Psychological Bulletin 70 (1968).

    Args:
        confusion: int64 (n_classes, n_classes), counts by true and predicted class.

    Returns:
        A number from -1 to 1; 0 if all rows and all predictions have the same class.
    """
    classes = np.arange(len(confusion))
    distance = classes[:, np.newaxis] - classes
    weights = distance**2
    n_true = confusion.sum(axis=1)
    n_predicted = confusion.sum(axis=0)
    by_chance = np.outer(n_true, n_predicted)

    # Whole numbers are exact. Nothing is rounded until the division, so the result
    # stays between -1 and 1.
    observed_error = int((weights * confusion).sum() * confusion.sum())
    chance_error = int((weights * by_chance).sum())
    if not chance_error:
        return 0.0
    return 1 - observed_error / chance_error
