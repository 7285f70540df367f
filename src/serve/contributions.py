"""Why a rating is what it is: SHAP values of the trees, in stars.

XGBoost gives Shapley values as margins of classes (TreeSHAP, Lundberg et al. 2020). The
expected rating isn't linear in margins, so the way from the average margins to those of
the row is gone in a straight line, and what each feature's share of the margins adds to
the expected rating is integrated along it (Aumann and Shapley). A regression's values
are stars already; where its estimate ends at the scale's end, all are shortened alike,
as the same integral says. The parts then add up: the base and all features give the
expected rating of the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureMatrix

if TYPE_CHECKING:
    import xgboost

# Gauss and Legendre's rule of this many points is exact to far more digits than an
# answer needs.
_POINTS = 24


def contributions(
    booster: xgboost.Booster,
    regression: xgboost.Booster | None,
    features: FeatureMatrix,
    class_values: tuple[float, ...],
    count: int,
) -> list[dict[str, Any]]:
    """For each row the base in stars, the ``count`` strongest features with their
    stars, and the others' sum.
    """
    import xgboost

    matrix = xgboost.DMatrix(
        features.values, feature_names=list(features.names), nthread=1
    )
    parts = booster.predict(matrix, pred_contribs=True).astype(np.float64)
    base, stars = in_stars(parts, np.array(class_values))
    if regression is not None:
        parts = regression.predict(matrix, pred_contribs=True).astype(np.float64)
        base, stars = (
            (a + b) / 2
            for a, b in zip((base, stars), on_scale(parts, class_values), strict=True)
        )
    order = np.argsort(-np.abs(stars), axis=1, kind="stable")[:, :count]
    return [
        {
            "base_rating": float(base[row]),
            "features": [
                _feature(features, row, int(place), stars) for place in chosen
            ],
            "others": float(np.delete(stars[row], chosen).sum()),
        }
        for row, chosen in enumerate(order)
    ]


def in_stars(
    parts: NDArray[np.float64], class_values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Margins' parts, float64 (n_rows, n_classes, n_features + 1), to stars.

    Returns the expected rating of the base margins, (n_rows,), and what each feature
    adds to it, (n_rows, n_features).
    """
    base, way = parts[:, :, -1], parts[:, :, :-1].sum(axis=2)
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    slope = np.zeros_like(base)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        probabilities = _softmax(base + point * way)
        slope += (
            weight
            * probabilities
            * (class_values - (probabilities @ class_values)[:, None])
        )
    return _softmax(base) @ class_values, np.einsum(
        "nk,nkf->nf", slope, parts[:, :, :-1]
    )


def on_scale(
    parts: NDArray[np.float64], class_values: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of a regression's parts, float64 (n_rows, n_features + 1), which are
    stars, on or off the scale.
    """
    base, way = parts[:, -1], parts[:, :-1].sum(axis=1)
    first, last = (
        np.clip(stars, class_values[0], class_values[-1])
        for stars in (base, base + way)
    )
    share = np.divide(last - first, way, out=np.ones_like(way), where=way != 0)
    return first, parts[:, :-1] * share[:, None]


def _feature(
    features: FeatureMatrix, row: int, place: int, stars: NDArray[np.float64]
) -> dict[str, Any]:
    value = float(features.values[row, place])
    return {
        "name": features.names[place],
        "value": value if np.isfinite(value) else None,
        "stars": float(stars[row, place]),
    }


def _softmax(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    quotient: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return quotient
