from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost

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
        unnamed = sum(feature["stars"] for feature in many["features"][3:])
        assert few["others"] == pytest.approx(unnamed + many["others"], abs=1e-9)


def test_an_estimate_off_the_scale_is_shortened() -> None:
    parts = np.array([[0.5, 2.0, 3.5], [1.0, -0.5, 3.5], [0.0, 0.0, 3.5]])
    base, stars = on_scale(parts, (1.0, 5.0))
    assert base.tolist() == [3.5, 3.5, 3.5]
    np.testing.assert_allclose(stars, [[0.3, 1.2], [1, -0.5], [0, 0]])


def test_a_feature_that_moves_the_margins_alone_gets_the_whole_difference() -> None:
    parts = np.zeros((1, 3, 3))
    parts[0, :, 1] = [1.0, -0.5, 2.0]
    parts[0, :, 2] = [0.3, 0.2, -0.1]
    base, stars = in_stars(parts, np.array([1.0, 2.0, 3.0]))

    def expected_rating(margins: Any) -> float:
        return float(np.exp(margins) @ [1.0, 2.0, 3.0] / np.exp(margins).sum())

    assert base[0] == pytest.approx(expected_rating(parts[0, :, 2]))
    difference = expected_rating(parts[0].sum(axis=1)) - base[0]
    assert stars[0].tolist() == [0, pytest.approx(difference, abs=1e-9)]
