"""Boosters, their flat forms, and rows and damage that are meant to find faults."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.flat_forest import HEADER, NODE, TREE, flatten, parts_of, split_points
from movielens.ubjson import dumps, loads

INFINITY = np.float32(np.inf)
SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45, -1e-45], dtype=np.float32
)


def booster_of(
    seed: int = 0,
    n_features: int = 7,
    n_rows: int = 300,
    rounds: int = 9,
    **params: Any,
) -> xgboost.Booster:
    """A booster trained on noise with many equal, missing and extreme values."""
    rng = np.random.default_rng(seed)
    n_classes = params.get("num_class", 5)
    shape = (n_rows, n_features)

    repeated = [-1.5, -0.0, 0.0, 0.25, 1.0, 3e38, np.nan, rng.normal()]
    values = rng.choice(repeated, shape)
    continuous = rng.normal(size=shape)
    is_continuous = rng.random(shape) < 0.5
    values[is_continuous] = continuous[is_continuous]

    classes = rng.integers(0, n_classes, n_rows)
    classes[-n_classes:] = range(n_classes)  # each class at least once

    defaults = {
        "objective": "multi:softprob",
        "num_class": n_classes,
        "tree_method": "hist",
        "nthread": 1,
        "max_depth": 5,
    }
    matrix = xgboost.DMatrix(values.astype(np.float32), classes)
    return xgboost.train(defaults | params, matrix, rounds)


def with_copies(booster: xgboost.Booster, seed: int = 0) -> xgboost.Booster:
    """The same booster, but in most rounds all trees are the first one with other
    leaves, some of them 0.
    """
    rng = np.random.default_rng(seed)
    model = loads(bytes(booster.save_raw("ubj")))
    forest = model["learner"]["gradient_booster"]["model"]
    trees = forest["trees"]
    for first, end in itertools.pairwise(forest["iteration_indptr"]):
        if rng.random() < 0.3:
            continue
        like = trees[first]
        values = like["split_conditions"]
        is_leaf = like["left_children"] < 0
        for place in range(first, end):
            leaves = rng.choice([0.0, 1.0], values.shape) * rng.normal(
                size=values.shape
            )
            copied = np.where(is_leaf, leaves, values).astype(values.dtype)
            trees[place] = {**like, "split_conditions": copied, "id": place}
    return xgboost.Booster(model_file=bytearray(dumps(model)))


def flat_of(booster: xgboost.Booster) -> bytes:
    """The flat form of a booster's trees."""
    return flatten(bytes(booster.save_raw("ubj")))


def adversarial_rows(
    flat: bytes, seed: int, n_rows: int, alike: float = 0
) -> NDArray[np.float32]:
    """Split points, their neighbours on both sides, and special numbers.

    Columns have few different values with the probability ``alike``, so that all rows
    leave many nodes by the same side.
    """
    rng = np.random.default_rng(seed)
    split_column, split_point = split_points(flat)
    n_features = parts_of(flat).n_features

    rows = np.empty((n_rows, n_features), dtype=np.float32)
    for column in range(n_features):
        points = split_point[split_column == column]
        above = np.nextafter(points, INFINITY)
        below = np.nextafter(points, -INFINITY)
        values = np.concatenate([points, above, below, SPECIAL])
        if rng.random() < alike:
            n_different = rng.integers(1, 3)
            values = rng.choice(values, n_different)
        rows[:, column] = rng.choice(values, n_rows)
    return rows


def damaged(flat: bytes, part: str, field: str, value: int, place: int = 0) -> bytes:
    """A flat form with another number in its header, its trees or its nodes."""
    damaged = bytearray(flat)
    parts = parts_of(flat)
    n_trees = len(parts.trees)
    n_nodes = len(parts.nodes)
    nodes_at = len(flat) - parts.nodes.nbytes
    trees_at = nodes_at - parts.trees.nbytes

    tables: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(damaged, HEADER, 1),
        "tree": np.frombuffer(damaged, TREE, n_trees, trees_at),
        "node": np.frombuffer(damaged, NODE, n_nodes, nodes_at),
    }
    tables[part][field][place] = value
    return bytes(damaged)
