"""The flat form of a booster's trees, which the server maps into memory as it is.

Little-endian, in this order:

1. `HEADER`;
2. the base margins, float32, one for each group (class), padded to a multiple of 8
   bytes;
3. one `TREE` for each tree;
4. one `NODE` of 8 bytes for each node, tree by tree and level by level.

A node has a split point as a key, the column that it looks at, and the distance to its
first child. The second child follows the first. A row goes to the second child if its
value is below the split point, and to the first otherwise. Keys are whole numbers in
the order of the floats, so that they can be compared as integers.

Missing values are above all others in columns 0 to n_features - 1. The same features
are repeated from column n_features on, with missing values below all others. A node
looks at one or the other column, depending on where its missing values go.

A leaf looks at column 2 * n_features, which is above all keys, and is its own first
child. Its key is the bits of its value.

This module owns the constants of the form. `src/serve/_trees.h` has the same structures
in C.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.ubjson import loads

MAGIC = b"HALFTREE"
VERSION = 3

# Limits of the form.
MOST_FEATURES = 2047
MOST_GROUPS = 256
MOST_DEPTH = 4096
MOST_FIRST = 2**16 - 1

# How margins become answers: as they are, or by softmax.
TRANSFORMS = {"reg:squarederror": 0, "multi:softprob": 1}

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("n_features", "<u4"),
        ("n_groups", "<u4"),
        ("n_trees", "<u4"),
        ("n_nodes", "<u4"),
        ("transform", "<u4"),
    ]
)
TREE = np.dtype([("root", "<u4"), ("group", "<u2"), ("depth", "<u2")])
NODE = np.dtype([("key", "<u4"), ("column", "<u2"), ("first", "<u2")])

_SIGN = np.uint32(1 << 31)


class UnknownShapeError(Exception):
    """A booster has something that the flat form can't hold.

    A categorical split, for example.
    """


def flatten(booster: bytes) -> bytes:
    """The flat form of a booster.

    Args:
        booster: in XGBoost's UBJSON, from ``Booster.save_raw("ubj")``.

    Raises:
        UnknownShapeError: the flat form can't hold it; the message says why.
    """
    learner = loads(booster)["learner"]
    objective = learner["objective"]["name"]
    if objective not in TRANSFORMS:
        raise UnknownShapeError(f"objective {objective}")

    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise UnknownShapeError(f"booster {kind}")

    parameters = learner["learner_model_param"]
    n_features = int(parameters["num_feature"])
    n_groups = max(int(parameters["num_class"]), 1)
    if not 1 <= n_features <= MOST_FEATURES or n_groups > MOST_GROUPS:
        raise UnknownShapeError(f"{n_features} features, {n_groups} classes")

    model = learner["gradient_booster"]["model"]
    flat_trees = [_flat_tree(tree, n_features) for tree in model["trees"]]
    n_nodes_of_tree = [len(tree.nodes) for tree in flat_trees]

    trees = np.zeros(len(flat_trees), TREE)
    trees["root"] = np.cumsum([0, *n_nodes_of_tree])[:-1]
    trees["group"] = model["tree_info"]
    trees["depth"] = [tree.depth for tree in flat_trees]

    header = np.zeros(1, HEADER)
    header["magic"] = MAGIC
    header["version"] = VERSION
    header["n_features"] = n_features
    header["n_groups"] = n_groups
    header["n_trees"] = len(trees)
    header["n_nodes"] = sum(n_nodes_of_tree)
    header["transform"] = TRANSFORMS[objective]

    padding = n_groups % 2
    base_margins = np.zeros(n_groups + padding, "<f4")
    base_margins[:n_groups] = _base_margins(parameters["base_score"])

    parts = [header, base_margins, trees, *(tree.nodes for tree in flat_trees)]
    return b"".join(part.tobytes() for part in parts)


def leading_trees(flat: bytes | mmap, columns: NDArray[np.int64]) -> int:
    """How many trees, from the first on, look at none but the given features.

    Args:
        flat: the flat form.
        columns: positions of the features, int64 (n_columns,).
    """
    header = _header(flat)
    n_features = int(header["n_features"])
    n_trees = int(header["n_trees"])
    leaf_column = 2 * n_features

    is_other_column = np.ones(2 * n_features + 1, dtype=np.bool_)
    is_other_column[columns] = False
    is_other_column[columns + n_features] = False
    is_other_column[leaf_column] = False

    nodes = _nodes(flat)
    others = np.flatnonzero(is_other_column[nodes["column"]])
    if not len(others):
        return n_trees

    nodes_start = len(flat) - nodes.nbytes
    trees_start = nodes_start - n_trees * TREE.itemsize
    root = np.frombuffer(flat, TREE, n_trees, trees_start)["root"]
    # The tree with that node is the last one whose root doesn't come after the node.
    return int(root.searchsorted(others[0], side="right")) - 1


def split_points(flat: bytes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The features and the values at which the inner nodes split.

    Args:
        flat: the flat form.

    Returns:
        The feature of each inner node, int64 (n_splits,), and its split point, float32
        (n_splits,).
    """
    n_features = int(_header(flat)["n_features"])
    nodes = _nodes(flat)
    column = nodes["column"].astype(np.int64)

    leaf_column = 2 * n_features
    is_inner = column < leaf_column
    feature = column[is_inner] % n_features
    points = _values(nodes["key"][is_inner])
    return feature, points


def _header(flat: bytes | mmap) -> Any:
    """The header of a flat form, with the fields of `HEADER`."""
    return np.frombuffer(flat, HEADER, count=1)[0]


def _nodes(flat: bytes | mmap) -> NDArray[Any]:
    """All nodes of a flat form, `NODE` (n_nodes,)."""
    n_bytes = int(_header(flat)["n_nodes"]) * NODE.itemsize
    return np.frombuffer(flat, NODE, offset=len(flat) - n_bytes)


@dataclass(frozen=True, slots=True)
class _FlatTree:
    """One tree: its nodes, level by level, and its depth."""

    nodes: NDArray[Any]
    depth: int


def _flat_tree(tree: dict[str, Any], n_features: int) -> _FlatTree:
    has_categories = np.any(tree["split_type"])
    leaf_size = int(tree["tree_param"].get("size_leaf_vector", "1"))
    if has_categories or leaf_size > 1:
        raise UnknownShapeError("categorical splits or vectors in leaves")

    left = np.asarray(tree["left_children"])
    right = np.asarray(tree["right_children"])
    levels = _levels(left, right)
    depth = len(levels) - 1

    # XGBoost's number of each node, in the order of the flat form, and the reverse.
    order = np.concatenate(levels)
    n_nodes = len(order)
    position = np.empty(len(left), dtype=np.int64)
    position[order] = np.arange(n_nodes)

    is_inner = left[order] >= 0
    distance_to_first = position[right[order]] - np.arange(n_nodes)
    first = np.where(is_inner, distance_to_first, 0)
    value = np.asarray(tree["split_conditions"], dtype=np.float32)[order]
    if depth > MOST_DEPTH or first.max() > MOST_FIRST or np.isnan(value).any():
        raise UnknownShapeError(
            f"a tree of {n_nodes} nodes and depth {depth}, or with a value that is NaN"
        )

    missing_goes_left = np.asarray(tree["default_left"])[order] != 0
    feature = np.asarray(tree["split_indices"])[order]
    column = feature + missing_goes_left * n_features

    nodes = np.empty(n_nodes, NODE)
    nodes["key"] = np.where(is_inner, _keys(value), value.view(np.uint32))
    nodes["column"] = np.where(is_inner, column, 2 * n_features)
    nodes["first"] = first
    return _FlatTree(nodes, depth)


def _levels(
    left: NDArray[np.integer[Any]], right: NDArray[np.integer[Any]]
) -> list[NDArray[np.integer[Any]]]:
    """XGBoost's numbers of a tree's nodes, level by level.

    The right child comes first, because a row goes to the first child if its value is
    not below the split point.
    """
    level: NDArray[np.integer[Any]] = np.array([0])
    levels = [level]
    while True:
        parents = level[left[level] >= 0]
        if not len(parents):
            return levels
        level = np.column_stack([right[parents], left[parents]]).ravel()
        levels.append(level)


def _base_margins(text: str) -> NDArray[np.float32]:
    """The base margins: one for all classes, or ``[a,b,...]`` with one for each.

    Both objectives take them as they are, without a transform.
    """
    numbers = text.strip("[]").split(",")
    margins = np.array([float(number) for number in numbers], dtype=np.float32)
    if np.any((margins == 0) & np.signbit(margins)):
        raise UnknownShapeError("a base score of -0")
    return margins


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Whole numbers in the order of the floats."""
    # -0 becomes 0, which is equal to it.
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _values(keys: NDArray[np.uint32]) -> NDArray[np.float32]:
    """The floats of whole numbers that `_keys` made."""
    bits = np.where(keys & _SIGN, keys & ~_SIGN, ~keys)
    return bits.view(np.float32)
