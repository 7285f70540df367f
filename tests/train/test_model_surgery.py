"""Trees changed after training: rounds joined to one booster, numbers rounded."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from train.blocks import MISSING
from train.model_surgery import LEAF_STEP, Grown, compact

PARAMS = {
    "objective": "multi:softprob",
    "num_class": 3,
    "max_depth": 3,
    "nthread": 1,
    "seed": 2,
}
NAMES = ("a", "b", "c", "d")
COLUMNS = (np.array([0, 2]), np.array([1, 3]), np.array([0, 3]))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    values = np.random.default_rng(5).normal(size=(400, len(NAMES))).astype(np.float32)
    values[::7, 3] = np.nan
    return values


@pytest.fixture(scope="module")
def grown(values: np.ndarray) -> tuple[Grown, np.ndarray]:
    """Rounds that look at two columns each, and the margins that they reached."""
    label = (np.nansum(values, axis=1) > 0).astype(np.int64) + (values[:, 0] > 1)
    whole, margin, told = (
        Grown(NAMES),
        None,
        np.where(np.isnan(values), MISSING, values),
    )
    for columns in COLUMNS:
        matrix = xgboost.QuantileDMatrix(told[:, columns], label=label)
        if margin is not None:
            matrix.set_info(base_margin=margin)
        booster = xgboost.Booster(PARAMS, [matrix])
        booster.update(matrix, 0)
        margin = booster.predict(matrix, output_margin=True)
        whole.add(booster, columns)
    assert margin is not None
    return whole, margin


def test_joined_rounds_reach_the_very_margins(
    grown: tuple[Grown, np.ndarray], values: np.ndarray
) -> None:
    whole, margin = grown
    booster = whole.booster()
    assert (whole.n_rounds, booster.num_boosted_rounds(), booster.num_features()) == (
        3,
        3,
        4,
    )
    assert booster.feature_names == list(NAMES)
    np.testing.assert_array_equal(
        booster.inplace_predict(values, predict_type="margin"), margin
    )


def test_joining_goes_on_from_a_saved_booster(grown: tuple[Grown, np.ndarray]) -> None:
    whole, _ = grown
    saved = bytes(whole.booster().save_raw("ubj"))
    again = Grown(NAMES, saved)
    assert again.n_rounds == 3
    assert bytes(again.booster().save_raw("ubj")) == saved


def test_compact_trees_say_the_same(
    grown: tuple[Grown, np.ndarray], values: np.ndarray
) -> None:
    before = grown[0].booster()
    after = compact(before)
    error = np.abs(
        after.inplace_predict(values, predict_type="margin")
        - before.inplace_predict(values, predict_type="margin")
    )
    assert 0 < error.max() <= before.num_boosted_rounds() * LEAF_STEP
    matrix = xgboost.DMatrix(values, feature_names=list(NAMES))
    shares, margin = (
        after.predict(matrix, pred_contribs=True),
        after.predict(matrix, output_margin=True),
    )
    np.testing.assert_allclose(shares.sum(axis=2), margin, atol=1e-5)
    gains = before.get_score(importance_type="gain")
    assert after.get_score(importance_type="gain") == pytest.approx(gains, rel=1 / 128)
    assert after.get_score(importance_type="cover") == pytest.approx(
        before.get_score(importance_type="cover"), rel=1 / 128
    )
