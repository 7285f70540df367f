"""What each feature adds to an expected rating: SHAP values of the trees, in stars.

XGBoost gives Shapley values as margins of classes (TreeSHAP, Lundberg et al. 2020). The
expected rating isn't linear in margins. So we go from the average margins to those of
the row in a straight line, and integrate along it what each feature's share of the
margins adds to the expected rating (Aumann and Shapley). The values of a regression are
stars already. Where its estimate is moved to the end of the scale, they all shrink by
the same factor, as the same integral gives.

Gates say which trees answer a row, not why it is liked. Where they hold trees back, the
row starts from elsewhere, so what they add is part of the base.

The parts add up: the base and all features give the expected rating of the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureMatrix
from movielens.features.cases import GATES

if TYPE_CHECKING:
    import xgboost

Doubles = NDArray[np.float64]

# Gauss and Legendre's rule of this many points is exact to far more digits than an
# answer needs.
_POINTS = 24


def star_contributions(
    booster: xgboost.Booster,
    regression: xgboost.Booster | None,
    features: FeatureMatrix,
    class_values: tuple[float, ...],
    nthread: int = 1,
) -> tuple[Doubles, Doubles]:
    """What each feature of each row adds to its expected rating.

    Args:
        booster: the trees of the classes.
        regression: the trees of the regression, if there is one.
        features: of the rows.
        class_values: stars of each class, rising.
        nthread: threads of XGBoost.

    Returns:
        The expected rating where such a row starts, in stars, float64 (n_rows,), and
        what each feature adds to it, float64 (n_rows, n_features). Gates add nothing.
    """
    import xgboost

    is_gate = np.array([name in GATES for name in features.names])
    matrix = xgboost.DMatrix(
        features.values, feature_names=list(features.names), nthread=nthread
    )
    margins = booster.predict(matrix, pred_contribs=True).astype(np.float64)
    put_into_base(margins, is_gate)
    base, stars = in_stars(margins, np.array(class_values))
    if regression is None:
        return base, stars

    shares = regression.predict(matrix, pred_contribs=True).astype(np.float64)
    put_into_base(shares, is_gate)
    regression_base, regression_stars = on_scale(shares, class_values)
    # As the expected rating is halfway between the two.
    return (base + regression_base) / 2, (stars + regression_stars) / 2


def put_into_base(parts: Doubles, is_chosen: NDArray[np.bool_]) -> None:
    """Count the parts of some features into the base, in place.

    Args:
        parts: float64 (…, n_features + 1), the last is the base.
        is_chosen: bool (n_features,).
    """
    for column in np.flatnonzero(is_chosen):
        parts[..., -1] += parts[..., column]
        parts[..., column] = 0


def in_stars(parts: Doubles, class_values: Doubles) -> tuple[Doubles, Doubles]:
    """Margins to stars.

    Args:
        parts: float64 (n_rows, n_classes, n_features + 1), each feature's part of the
            margins; the last is the base.
        class_values: float64 (n_classes,), stars of each class.

    Returns:
        The expected rating of the base, float64 (n_rows,), and what each feature adds
        to it, float64 (n_rows, n_features).
    """
    base = parts[:, :, -1]
    of_features = parts[:, :, :-1]
    way = of_features.sum(axis=2)
    points, weights = np.polynomial.legendre.leggauss(_POINTS)

    # How much the expected rating rises with the margin of each class, on average along
    # the way. The rule's points lie between -1 and 1, ours between 0 and 1.
    slope = np.zeros_like(base)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        probabilities = _softmax(base + point * way)
        expected_rating = _means(probabilities, class_values)
        above_expected = class_values - expected_rating[:, None]
        slope += weight * probabilities * above_expected

    stars = np.zeros((len(parts), of_features.shape[2]))
    for class_index in range(len(class_values)):
        stars += slope[:, class_index, None] * of_features[:, class_index]
    return _means(_softmax(base), class_values), stars


def _means(probabilities: Doubles, class_values: Doubles) -> Doubles:
    """The mean of each distribution.

    Summed class by class: a matrix product may round a row differently among others.
    """
    total = np.zeros(len(probabilities))
    for value, column in zip(class_values, probabilities.T, strict=True):
        total += value * column
    return total


def on_scale(
    parts: Doubles, class_values: tuple[float, ...]
) -> tuple[Doubles, Doubles]:
    """The same for a regression, whose estimate may be off the scale.

    Args:
        parts: float64 (n_rows, n_features + 1), each feature's part in stars; the last
            is the base.
        class_values: stars of each class, rising.

    Returns:
        The base on the scale, float64 (n_rows,), and what each feature adds to it,
        float64 (n_rows, n_features).
    """
    base = parts[:, -1]
    of_features = parts[:, :-1]
    way = of_features.sum(axis=1)
    lowest, highest = class_values[0], class_values[-1]
    base_on_scale = np.clip(base, lowest, highest)
    estimate_on_scale = np.clip(base + way, lowest, highest)
    way_on_scale = estimate_on_scale - base_on_scale
    is_on_the_way = way != 0
    share = np.ones_like(way)
    np.divide(way_on_scale, way, out=share, where=is_on_the_way)
    return base_on_scale, of_features * share[:, None]


def _softmax(margins: Doubles) -> Doubles:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    quotient: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return quotient
