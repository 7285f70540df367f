"""What the trees look at: gain by group of features, and SHAP values in stars.

Gain is what splits by a feature have taken off the loss in training. A SHAP value is
what a feature adds to the expected rating of one row (`movielens.contributions`). Those
are costly, so they are measured on few rows: the larger the booster, the fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.contributions import star_contributions
from movielens.feature_words import reason_of
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.tables import RatingTable

# The default booster has 16 MB, so that is 62 rows, which take one to two seconds.
_ROWS_TIMES_BYTES = 1_000_000_000
_MOST_ROWS = 200
_FEWEST_ROWS = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroupImportance:
    """How much a group of features counts.

    Attributes:
        name: as the hyperparameter ``features`` has it, or ``base`` or ``blend``.
        n_features: in the group.
        gain: share of all gain.
        stars: how far the group moves the expected rating of a row, on average.
    """

    name: str
    n_features: int
    gain: float
    stars: float


@dataclass(frozen=True, slots=True)
class FeatureEffect:
    """What a feature does to expected ratings.

    Attributes:
        name: of the feature.
        reason: what it is about.
        stars: how far it moves the expected rating of a row, on average.
        low: what it adds on average to the third of the rows with its lowest values.
        high: the same for the third with its highest values.
    """

    name: str
    reason: str
    stars: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Importance:
    """What the trees look at.

    Attributes:
        n_rows: test rows on which stars were measured.
        groups: by stars, falling.
        features: by stars, falling.
    """

    n_rows: int
    groups: list[GroupImportance]
    features: list[FeatureEffect]


def measure_importance(
    model: Model,
    booster: xgboost.Booster,
    regression: xgboost.Booster | None,
    rows: RatingTable,
    nthread: int = 0,
) -> Importance:
    """Gain of all trees, and SHAP values of some of the rows.

    Args:
        model: makes the features.
        booster: the trees of the classes.
        regression: the trees of the regression, if there is one.
        rows: to explain, at least one.
        nthread: threads of XGBoost, 0 for as many as there are processors.
    """
    chosen = rows.every(_n_rows(booster))
    features = model.spec.transform(chosen.queries())
    _, stars = star_contributions(
        booster, regression, features, model.class_values, nthread
    )
    effects = [
        _effect(name, features.values[:, column], stars[:, column])
        for column, name in enumerate(features.names)
    ]
    effects.sort(key=lambda each: each.stars, reverse=True)
    gain = booster.get_score(importance_type="total_gain")
    return Importance(len(chosen), _groups(model.spec, gain, stars), effects)


def _n_rows(booster: xgboost.Booster) -> int:
    size = len(booster.save_raw("ubj"))
    return min(max(_ROWS_TIMES_BYTES // size, _FEWEST_ROWS), _MOST_ROWS)


def _effect(name: str, values: NDArray[np.float32], stars: Floats) -> FeatureEffect:
    known = np.flatnonzero(np.isfinite(values))
    in_order = known[np.argsort(values[known], kind="stable")]
    third = len(in_order) // 3
    return FeatureEffect(
        name=name,
        reason=reason_of(name).name,
        stars=float(np.abs(stars).mean()),
        low=_mean(stars[in_order[:third]]),
        high=_mean(stars[in_order[len(in_order) - third :]]),
    )


def _groups(
    spec: FeatureSpec, gain: Mapping[str, object], stars: Floats
) -> list[GroupImportance]:
    gains = {name: float(str(value)) for name, value in gain.items()}
    total = sum(gains.values()) or 1.0

    columns: dict[str, list[int]] = {}
    for kernel in spec.kernel_inputs():
        of_group = columns.setdefault(kernel.kernel, [])
        of_group += [spec.names.index(name) for name in kernel.names]

    groups = [
        GroupImportance(
            name=name,
            n_features=len(places),
            gain=sum(gains.get(spec.names[place], 0.0) for place in places) / total,
            stars=float(np.abs(stars[:, places].sum(axis=1)).mean()),
        )
        for name, places in columns.items()
    ]
    return sorted(groups, key=lambda each: each.stars, reverse=True)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
