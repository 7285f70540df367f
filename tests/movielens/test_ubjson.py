from __future__ import annotations

import numpy as np
import pytest
import xgboost

from movielens.ubjson import Encoded, dumps, loads


def test_a_booster_that_is_read_and_written_is_the_same() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(200, 4)).astype(np.float32)
    classes = rng.integers(0, 3, 200)
    names = ["a", "b", "c", "d"]
    matrix = xgboost.DMatrix(features, classes, feature_names=names)
    params = {"objective": "multi:softprob", "num_class": 3, "max_depth": 3}
    booster = xgboost.train(params, matrix, 4)

    raw = bytes(booster.save_raw("ubj"))
    written = dumps(loads(raw))
    again = xgboost.Booster(model_file=bytearray(written))
    assert bytes(again.save_raw("ubj")) == raw
    np.testing.assert_array_equal(again.predict(matrix), booster.predict(matrix))


def test_values_of_every_type_come_back() -> None:
    value = {
        "text": "é",
        "flags": [True, False, None],
        "whole": -(2**40),
        "share": 0.5,
        "nested": {"empty": []},
    }
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("dtype", [">i1", ">u1", ">i2", ">i4", ">i8", ">f4", ">f8"])
def test_arrays_keep_their_types(dtype: str) -> None:
    array = np.array([1, 2, 100], dtype)
    found = loads(dumps([array]))[0]
    np.testing.assert_array_equal(found, array, strict=True)


def test_an_encoded_value_is_written_as_it_is() -> None:
    inner = {"depth": 3}
    assert dumps({"a": Encoded(dumps(inner))}) == dumps({"a": inner})


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="UBJSON has no set"):
        dumps({"a": {1}})


def test_any_cut_is_refused() -> None:
    value = {
        "text": "é",
        "array": np.array([1, 2], ">i4"),
        "list": [1.5, None],
    }
    data = dumps(value)
    for n_bytes in range(len(data)):
        with pytest.raises(ValueError, match="not UBJSON"):
            loads(data[:n_bytes])
