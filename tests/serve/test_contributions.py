from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens.features.cases import GATES
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from serve.contributions import contributions


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
    gates = [
        feature["stars"]
        for row in found
        for feature in row["features"]
        if feature["name"] in GATES
    ]
    assert not np.any(gates)
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
