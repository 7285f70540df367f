"""Why a rating is what it is: the features that moved it most, in stars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from movielens.contributions import Doubles, star_contributions
from movielens.features import FeatureMatrix

if TYPE_CHECKING:
    import xgboost


def contributions(
    booster: xgboost.Booster,
    regression: xgboost.Booster | None,
    features: FeatureMatrix,
    class_values: tuple[float, ...],
    count: int,
) -> list[dict[str, Any]]:
    """The features that moved the expected rating of each row most.

    Args:
        booster: the trees of the classes.
        regression: the trees of the regression, if there is one.
        features: of the rows.
        class_values: stars of each class, rising.
        count: how many features to name.

    Returns:
        For each row ``base_rating`` in stars, the strongest ``features`` with their
        values and stars, and the sum of the ``others``.
    """
    base, stars = star_contributions(booster, regression, features, class_values)
    strongest = np.argsort(-np.abs(stars), axis=1, kind="stable")[:, :count]
    explained = []
    for row, chosen in enumerate(strongest):
        named = [_feature(features, stars, row, int(column)) for column in chosen]
        others = np.delete(stars[row], chosen)
        explained.append(
            {
                "base_rating": float(base[row]),
                "features": named,
                "others": float(others.sum()),
            }
        )
    return explained


def _feature(
    features: FeatureMatrix, stars: Doubles, row: int, column: int
) -> dict[str, Any]:
    value = float(features.values[row, column])
    return {
        "name": features.names[column],
        "value": value if np.isfinite(value) else None,
        "stars": float(stars[row, column]),
    }
