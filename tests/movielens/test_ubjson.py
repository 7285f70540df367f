from __future__ import annotations

import numpy as np
import pytest
import xgboost

from movielens.ubjson import dumps, loads


def test_a_booster_read_and_written_again_is_the_same() -> None:
    rng = np.random.default_rng(3)
    features, classes = (
        rng.normal(size=(200, 4)).astype(np.float32),
        rng.integers(0, 3, 200),
    )
    matrix = xgboost.DMatrix(features, classes, feature_names=["a", "b", "c", "d"])
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3, "max_depth": 3}, matrix, 4
    )
    raw = bytes(booster.save_raw("ubj"))
    again = xgboost.Booster(model_file=bytearray(dumps(loads(raw))))
    assert bytes(again.save_raw("ubj")) == raw
    np.testing.assert_array_equal(again.predict(matrix), booster.predict(matrix))


def test_every_kind_of_value_comes_back() -> None:
    value = {
        "text": "é",
        "flags": [True, False, None],
        "whole": -(2**40),
        "share": 0.5,
        "nested": {"empty": []},
    }
    assert loads(dumps(value)) == value


def test_what_has_no_place_in_it_is_named() -> None:
    with pytest.raises(TypeError, match="set has no place in UBJSON"):
        dumps({"a": {1}})
