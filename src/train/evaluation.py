"""How far predictions are from the ratings, in classes and in stars.

The class is the one that the scores decided on, the point estimate in stars is their
expected rating. Distances count classes, so on the half-star scale a distance of 1 is
half a star.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.model import Decision, Scores

# Bins of sureness, from 0 to 1.
N_BINS = 10
# float32 probabilities can be 0; a finite loss needs a floor, the smallest normal
# number that a float32 softmax gives.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Figures:
    """Metrics of one set of predictions.

    Attributes:
        n_rows: rows evaluated.
        class_values: stars of each class.
        decision: how the class was chosen: ``mode`` or ``median`` of the distribution,
            or by the expected rating.
        distance: share of rows whose class is 0, 1, 2 or more classes away; sums to 1.
        accuracy: share of rows at distance 0.
        rmse: root mean squared error of the expected rating, in stars.
        mae: mean absolute error of the expected rating, in stars.
        log_loss: mean of -ln p(true class).
        calibration_error: mean gap between how sure the likeliest class was and how
            often it was right, over ten bins of sureness weighted by their rows.
        reliability: for each bin of sureness with rows in it: mean probability of the
            likeliest class, share of rows where it was right, rows.
        quadratic_weighted_kappa: Cohen's kappa with squared class distances as weights;
            0 for a constant prediction.
        confusion_matrix: counts, a row for each true class, a column for each predicted
            one.
    """

    n_rows: int
    class_values: list[float]
    decision: Decision
    distance: dict[str, float]
    accuracy: float
    rmse: float
    mae: float
    log_loss: float
    calibration_error: float
    reliability: list[list[float]]
    quadratic_weighted_kappa: float
    confusion_matrix: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def evaluate(
    scores: Scores,
    true_class: NDArray[np.int64],
    class_values: tuple[float, ...],
    decision: Decision = "mode",
) -> Figures:
    """Compare scores with the true classes.

    Args:
        scores: of n_rows rows, at least one.
        true_class: int64 (n_rows,), 0 to n_classes - 1.
        class_values: stars of each class, (n_classes,).
        decision: how ``scores.class_index`` was chosen.
    """
    n_rows, n_classes = scores.probabilities.shape
    apart = np.abs(scores.class_index - true_class)
    counts = np.bincount(np.minimum(apart, 3), minlength=4)
    error = scores.expected_rating - np.asarray(class_values)[true_class]
    true_probability = scores.probabilities[np.arange(n_rows), true_class].astype(
        np.float64
    )
    confusion = np.bincount(
        true_class * n_classes + scores.class_index, minlength=n_classes**2
    ).reshape(n_classes, n_classes)
    reliability = reliability_bins(scores.probabilities, true_class)
    return Figures(
        n_rows=n_rows,
        class_values=list(class_values),
        decision=decision,
        distance={
            name: count / n_rows
            for name, count in zip(
                ("0", "1", "2", "more"), counts.tolist(), strict=True
            )
        },
        accuracy=int(counts[0]) / n_rows,
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        log_loss=float(
            -np.mean(np.log(np.maximum(true_probability, SMALLEST_PROBABILITY)))
        ),
        calibration_error=sum(
            abs(sure - right) * rows for sure, right, rows in reliability
        )
        / n_rows,
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
