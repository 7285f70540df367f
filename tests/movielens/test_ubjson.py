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


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "at byte 0: 1 bytes are wanted"),
        (b"ZZ", "at byte 1: something follows"),
        (b"x", "b'x' is no type"),
        (b"N", "b'N' is no type"),
        (b"Sd" + bytes(4), "b'd' is no length"),
        (b"SZ", "b'Z' is no length"),
        (b"Si\xff", "-1 bytes are wanted"),
        (b"SL" + b"\x7f" * 8, "bytes are wanted"),
        (b"Si\x01\xff", "can't decode"),
        (b"[$d#L" + b"\x7f" * 8, "bytes are wanted"),
        (b"[$i#i\xff", "-1 bytes are wanted"),
        (b"[$iXi\x00", "without a length"),
        (b"[$Z#i\x01", "b'Z' is no type"),
        (b"[#L" + b"\x7f" * 8, "bytes are wanted"),
        (b"{i\x01aZ", "bytes are wanted"),
        (b"{Zi\x01aZ}", "b'Z' is no length"),
        (b"[" * 200_000, "nested more than 100 levels"),
        (b"{i\x00" * 200_000, "nested more than 100 levels"),
        (b"[#i\x01" * 5000 + b"Z", "nested more than 100 levels"),
    ],
)
def test_what_is_odd_is_a_value_error(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        loads(data)


def test_mutated_bytes_are_a_value_or_a_value_error() -> None:
    value = {"text": "é", "array": np.arange(9, dtype=">i4"), "list": [1.5, None, {}]}
    data = dumps(value)
    rng = np.random.default_rng(5)
    n_refused = 0
    for _ in range(3000):
        mutated = bytearray(data)
        for position in rng.integers(len(mutated), size=2):
            mutated[position] = rng.choice(list(b"{}[]$#SZTFiUIlLdDC\x00\x01\xff"))
        try:
            loads(bytes(mutated))
        except ValueError:
            n_refused += 1
    assert n_refused > 1000
