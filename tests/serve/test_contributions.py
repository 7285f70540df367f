from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from serve.contributions import contributions, in_stars, on_scale


@pytest.mark.parametrize("has_regression", [False, True])
@pytest.mark.parametrize("knows_user", [False, True])
@pytest.mark.parametrize("knows_time", [False, True])
def test_contributions_add_up_to_the_expected_rating(
    gated: Model,
    ratings: RatingTable,
    has_regression: bool,
    knows_user: bool,
    knows_time: bool,
) -> None:
    model = gated if has_regression else replace(gated, regression=None)
    booster = model.booster
    regression = model.regression
    assert isinstance(booster, xgboost.Booster)
    assert isinstance(regression, xgboost.Booster | None)
    known = ratings.take(np.arange(40)).queries()
    queries = RatingQueries(
        known.user_id if knows_user else np.full(len(known), -1),
        known.movie_id,
        known.timestamp if knows_time else np.full(len(known), np.nan),
    )
    features = model.spec.transform(queries)
    n_features = len(features.names)
    found = contributions(booster, regression, features, model.class_values, n_features)
    base = np.array([row["base_rating"] for row in found])
    rows = [[feature["stars"] for feature in row["features"]] for row in found]
    stars = np.array(rows)
    assert np.all(np.isfinite(stars))
    totals = base + stars.sum(axis=1)
    expected = model.predict(queries).expected_rating
    np.testing.assert_allclose(totals, expected, atol=1e-4)


def test_the_strongest_features_come_first(gated: Model, ratings: RatingTable) -> None:
    booster = gated.booster
    assert isinstance(booster, xgboost.Booster)
    features = gated.spec.transform(ratings.take(np.arange(10)).queries())

    def explain(count: int) -> list[dict[str, Any]]:
        return contributions(booster, None, features, gated.class_values, count)

    for few, many in zip(explain(3), explain(8), strict=True):
        assert few["features"] == many["features"][:3]
        strengths = [abs(feature["stars"]) for feature in many["features"]]
        assert strengths == sorted(strengths, reverse=True)
        left_out = sum(feature["stars"] for feature in many["features"][3:])
        others = left_out + many["others"]
        assert few["others"] == pytest.approx(others, abs=1e-9)


def test_an_estimate_off_the_scale_is_shortened() -> None:
    # Two features and the base, which is 3.5 stars in each row.
    too_high = [0.5, 2.0, 3.5]
    on_the_scale = [1.0, -0.5, 3.5]
    at_the_base = [0.0, 0.0, 3.5]
    base, stars = on_scale(np.array([too_high, on_the_scale, at_the_base]), (1.0, 5.0))
    assert base.tolist() == [3.5, 3.5, 3.5]
    assert stars[0].tolist() == pytest.approx([0.3, 1.2])
    assert stars[1].tolist() == pytest.approx([1.0, -0.5])
    assert stars[2].tolist() == [0.0, 0.0]


def test_a_feature_that_moves_the_margins_alone_gets_the_whole_difference() -> None:
    class_values = np.array([1.0, 2.0, 3.0])
    idle_feature = np.zeros(3)
    moving_feature = np.array([1.0, -0.5, 2.0])
    base_margins = np.array([0.3, 0.2, -0.1])
    parts = np.stack([idle_feature, moving_feature, base_margins], axis=1)
    base, stars = in_stars(parts[None], class_values)

    def expected_rating(margins: NDArray[np.float64]) -> float:
        weights = np.exp(margins)
        return float(weights @ class_values / weights.sum())

    of_base = expected_rating(base_margins)
    of_row = expected_rating(base_margins + moving_feature)
    assert base[0] == pytest.approx(of_base)
    assert stars[0, 0] == 0
    assert stars[0, 1] == pytest.approx(of_row - of_base, abs=1e-9)
