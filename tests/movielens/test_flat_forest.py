"""Boosters that have a flat form, and bytes that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from movielens.flat_forest import (
    HEADER,
    UnknownShapeError,
    flatten,
    parts_of,
    split_points,
)
from movielens.ubjson import dumps, loads
from tests.forests import booster_of, damaged, flat_of

FLAT = flat_of(booster_of())


def test_the_tables_have_the_shape_of_the_booster() -> None:
    booster = booster_of(n_features=6, rounds=3, num_class=5)
    parts = parts_of(flat_of(booster))
    frame = booster.trees_to_dataframe()
    assert parts.n_features == 6
    assert parts.softmax
    assert parts.base_margins.shape == (5,)
    assert len(parts.trees) == 3 * 5
    assert len(parts.nodes) == len(frame)
    roots = frame.groupby("Tree").size().cumsum().shift(fill_value=0)
    np.testing.assert_array_equal(parts.trees["root"], roots)
    np.testing.assert_array_equal(parts.trees["group"], np.arange(15) % 5)


def test_a_regression_has_no_softmax() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(50, 2))
    stars = rng.normal(size=50)
    matrix = xgboost.DMatrix(values, stars)
    booster = xgboost.train({"nthread": 1}, matrix, 2)
    parts = parts_of(flat_of(booster))
    assert not parts.softmax
    assert parts.base_margins.shape == (1,)


def test_the_tables_are_read_only_views() -> None:
    parts = parts_of(FLAT)
    for table in (parts.base_margins, parts.trees, parts.nodes):
        assert not table.flags.writeable
        assert not table.flags.owndata


def test_split_points_are_those_of_the_booster() -> None:
    booster = booster_of()
    inner = booster.trees_to_dataframe().query("Feature != 'Leaf'")
    columns, points = split_points(flat_of(booster))
    expected = np.column_stack([inner.Feature.str[1:].astype(int), inner.Split])
    found = np.column_stack([columns, points])
    # Written in other orders.
    expected = expected[np.lexsort(expected.T)]
    found = found[np.lexsort(found.T)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_base_score_of_minus_0_has_no_flat_form() -> None:
    booster = loads(bytes(booster_of().save_raw("ubj")))
    booster["learner"]["learner_model_param"]["base_score"] = "-0.0"
    with pytest.raises(UnknownShapeError, match="base score of -0"):
        flatten(dumps(booster))


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"multi_strategy": "multi_output_tree"}, "vectors in leaves"),
        ({"objective": "multi:softmax"}, "objective multi:softmax"),
    ],
)
def test_a_booster_without_a_flat_form_is_refused_by_name(
    params: dict[str, Any], reason: str
) -> None:
    booster = booster_of(rounds=2, **params)
    with pytest.raises(UnknownShapeError, match=reason):
        flat_of(booster)


def test_trees_with_weights_have_no_flat_form() -> None:
    whole = loads(bytes(booster_of().save_raw("ubj")))
    gbtree = whole["learner"]["gradient_booster"]
    n_trees = len(gbtree["model"]["trees"])

    gbtree["model"]["weight_drop"] = [1.0] * n_trees
    assert flatten(dumps(whole)) == FLAT
    gbtree["model"]["weight_drop"] = [0.5] * n_trees
    with pytest.raises(UnknownShapeError, match="trees with weights"):
        flatten(dumps(whole))

    # As XGBoost writes dart before 3.4.
    whole["learner"]["gradient_booster"] = {"name": "dart", "gbtree": gbtree}
    with pytest.raises(UnknownShapeError, match="booster dart"):
        flatten(dumps(whole))


def test_categorical_splits_have_no_flat_form() -> None:
    values = np.random.default_rng(0).integers(0, 9, (200, 1)).astype(np.float32)
    classes = values[:, 0] % 3
    matrix = xgboost.DMatrix(
        values, classes, feature_types=["c"], enable_categorical=True
    )
    params = {"objective": "multi:softprob", "num_class": 3, "max_cat_to_onehot": 1}
    booster = xgboost.train(params, matrix, 2)
    with pytest.raises(UnknownShapeError, match="categorical"):
        flat_of(booster)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("magic", 5, "it has the form b'5'"),
        ("version", 1, "it has the form b'HALFTREE' 1"),
        ("n_features", 0, "0 features or 5 groups are out of bounds"),
        ("n_features", 2**32 - 1, "4294967295 features"),
        ("n_groups", 0, "0 groups are out of bounds"),
        ("n_groups", 2**31, "2147483648 groups are out of bounds"),
        ("n_groups", 7, "its header says"),
        ("n_trees", 2**32 - 1, "its header says"),
        ("n_nodes", 0, "its header says"),
        ("transform", 9, "there is no transform 9"),
    ],
)
def test_a_broken_header_is_refused(field: str, value: int, fault: str) -> None:
    flat = damaged(FLAT, "header", field, value)
    with pytest.raises(ValueError, match=f"not a flat forest: .*{fault}"):
        parts_of(flat)


def test_a_tree_of_absurd_depth_is_refused() -> None:
    flat = damaged(FLAT, "tree", "depth", 2**16 - 1, place=1)
    with pytest.raises(ValueError, match="a tree of depth 65535 is out of bounds"):
        parts_of(flat)


def test_a_file_cut_short_is_refused() -> None:
    for length in (0, 8, 31, 32, len(FLAT) - 1):
        with pytest.raises(ValueError, match="not a flat forest"):
            parts_of(FLAT[:length])


@given(st.binary(max_size=32), st.integers(0, len(FLAT)), st.integers(0, 100))
def test_any_bytes_are_refused_or_taken_whole(
    head: bytes, length: int, more: int
) -> None:
    flat = head + FLAT[len(head) : length] + bytes(more)
    try:
        parts = parts_of(flat)
    except ValueError:
        return
    tables = parts.base_margins.nbytes + parts.trees.nbytes + parts.nodes.nbytes
    assert HEADER.itemsize + tables <= len(flat)


@pytest.mark.parametrize("booster", [b"", b"Z", b"{}", dumps({"learner": []})])
def test_what_is_no_booster_is_a_value_error(booster: bytes) -> None:
    with pytest.raises(ValueError, match="as XGBoost writes it"):
        flatten(booster)


def test_a_tree_in_which_a_node_has_two_parents_is_refused() -> None:
    model = loads(bytes(booster_of().save_raw("ubj")))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    left = tree["left_children"].copy()
    left[left >= 0] = 0  # back to the root
    tree["left_children"] = left
    with pytest.raises(ValueError, match="a node has two parents"):
        flatten(dumps(model))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("tree_info", [0, 1, 2, 0, 1, 3]),
        ("tree_info", [0, 1, 2, 0, 1, 2**16]),
        ("tree_info", [0, 1, 2, 0, 1, -1]),
        ("tree_info", [0, 1]),
        ("iteration_indptr", [0, 10**9, 6]),
        ("iteration_indptr", [0, 3, 3, 6]),
        ("iteration_indptr", [3, 6]),
        ("iteration_indptr", [0, 3]),
        ("iteration_indptr", []),
    ],
)
def test_a_tree_of_a_group_or_a_round_that_is_not_there_is_refused(
    field: str, values: list[int]
) -> None:
    booster = booster_of(rounds=2, num_class=3)
    model = loads(bytes(booster.save_raw("ubj")))
    trees = model["learner"]["gradient_booster"]["model"]
    assert len(trees[field]) in (3, 6)
    trees[field] = values
    with pytest.raises(ValueError, match="a group or a round that isn't there"):
        flatten(dumps(model))
