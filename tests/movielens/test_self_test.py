from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from movielens.flat_forest import flatten, split_points
from movielens.model import Model
from movielens.self_test import N_ROWS, SelfTest


def flat_form(booster: Any) -> bytes:
    return flatten(bytes(booster.save_raw("ubj")))


@pytest.fixture(scope="module")
def asked(model_with_regression: Model) -> SelfTest:
    model = model_with_regression
    flat = [flat_form(model.booster), flat_form(model.regression)]
    return SelfTest.of(model.spec, model.booster, model.regression, flat)


def test_known_and_unknown_ids_are_asked_with_and_without_a_time(
    asked: SelfTest, small_model: Model
) -> None:
    assert len(asked.queries) == N_ROWS
    knows_user = small_model.knows_user(asked.user_id)
    assert 0 < knows_user.sum() < N_ROWS
    knows_movie = small_model.movie_index(asked.movie_id) >= 0
    assert 0 < knows_movie.sum() < N_ROWS
    assert np.isnan(asked.timestamp).sum() == N_ROWS // 2


def test_the_answers_are_the_models(
    asked: SelfTest, model_with_regression: Model
) -> None:
    predictions = model_with_regression.predict(asked.queries)
    np.testing.assert_array_equal(asked.probabilities, predictions.probabilities)
    assert predictions.estimate is not None
    np.testing.assert_array_equal(asked.stars[:N_ROWS, 0], predictions.estimate)
    assert asked.margins.shape == (3 * N_ROWS, 10)


def test_rows_lie_on_the_split_points(asked: SelfTest, small_model: Model) -> None:
    on_splits = asked.features[N_ROWS : 2 * N_ROWS]
    columns, points = split_points(flat_form(small_model.booster))
    for column in range(on_splits.shape[1]):
        values = on_splits[:, column]
        if column in columns:
            assert np.isin(values, points[columns == column]).all()
        else:
            assert np.isnan(values).all()


def test_its_arrays_give_it_again(asked: SelfTest) -> None:
    again = SelfTest.from_arrays(asked.to_arrays())
    for name, array in asked.to_arrays().items():
        np.testing.assert_array_equal(getattr(again, name), array)
    assert again.has_regression


def test_without_a_regression_there_are_no_stars(small_model: Model) -> None:
    asked = SelfTest.of(small_model.spec, small_model.booster, None, [])
    assert asked.stars.shape == (N_ROWS, 0)
    assert not asked.has_regression


def test_a_missing_array_is_named(asked: SelfTest) -> None:
    arrays = asked.to_arrays()
    del arrays["stars"]
    with pytest.raises(KeyError, match="stars"):
        SelfTest.from_arrays(arrays)
