"""The flat form as Python reads it; tests/serve/test_forest.py tests the server."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from movielens.flat_forest import (
    HEADER,
    MAGIC,
    MOST_FEATURES,
    NODE,
    TREE,
    VERSION,
    UnknownShapeError,
    flatten,
    leading_trees,
    split_points,
)
from movielens.ubjson import dumps, loads


def booster_of(objective: str = "multi:softprob") -> xgboost.Booster:
    """Two rounds of three classes, on as many features."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(200, 3)).astype(np.float32)
    classes = rng.integers(0, 3, size=200)
    matrix = xgboost.DMatrix(features, classes)

    params = {"objective": objective, "num_class": 3, "max_depth": 2}
    return xgboost.train(params, matrix, num_boost_round=2)


def raw(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


def test_the_header_describes_the_rest() -> None:
    flat = flatten(raw(booster_of()))
    header = np.frombuffer(flat, HEADER, count=1)[0]
    assert header["magic"] == MAGIC
    assert header["version"] == VERSION
    assert header["n_features"] == 3
    assert header["n_groups"] == 3
    assert header["n_trees"] == 6
    n_margins = 4
    assert len(flat) == (
        HEADER.itemsize
        + 4 * n_margins
        + int(header["n_trees"]) * TREE.itemsize
        + int(header["n_nodes"]) * NODE.itemsize
    )


def test_split_points_are_those_of_the_booster() -> None:
    booster = booster_of()
    columns, points = split_points(flatten(raw(booster)))
    table = booster.trees_to_dataframe()
    splits = table[table["Feature"] != "Leaf"]
    expected = sorted(
        zip(
            splits["Feature"].str.removeprefix("f").astype(int).tolist(),
            splits["Split"].astype(np.float32).tolist(),
            strict=True,
        )
    )
    assert sorted(zip(columns.tolist(), points.tolist(), strict=True)) == expected


def test_leading_trees_look_at_the_given_columns_only() -> None:
    flat = flatten(raw(booster_of()))
    assert leading_trees(flat, np.array([0, 1, 2])) == 6
    assert leading_trees(flat, np.array([], dtype=np.int64)) == 0


def test_other_objectives_have_no_flat_form() -> None:
    booster = booster_of(objective="multi:softmax")
    with pytest.raises(UnknownShapeError, match="objective multi:softmax"):
        flatten(raw(booster))


def test_too_many_features_have_no_flat_form() -> None:
    model = loads(raw(booster_of()))
    n_features = str(MOST_FEATURES + 1)
    model["learner"]["learner_model_param"]["num_feature"] = n_features
    with pytest.raises(UnknownShapeError, match=f"{n_features} features"):
        flatten(dumps(model))
