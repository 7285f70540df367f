"""The flat form of a booster's trees: what the server's kernel evaluates, mapped from the file as it stands.

Little-endian: a header, the base margins, the trees, and 8 bytes a node (`src/serve/_forest.c` has the structures). A
node holds a threshold, the column that it looks at, and the distance to its first child, beside which lies the second.
It goes to the second if the value is below the threshold, and to the first otherwise, NaN included. Where a missing
value has to go with those below the threshold, the column is the negated one, n_features further on: ``x < t`` is
``not -x < u`` for u, the float that comes after ``-t``. A leaf looks at a column of NaN and is its own first child.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.ubjson import loads

MAGIC, VERSION = b"HALFTREE", 2
MOST_FEATURES, MOST_GROUPS, MOST_DEPTH, MOST_FIRST = 2047, 256, 4096, 2**16 - 1
TRANSFORMS = {"reg:squarederror": 0, "multi:softprob": 1}

HEADER = np.dtype(
    [("magic", "S8"), *((name, "<u4") for name in ("version", "n_features", "n_groups"))]
    + [(name, "<u4") for name in ("n_trees", "n_nodes", "transform")]
)
TREE = np.dtype([("root", "<u4"), ("group", "<u2"), ("depth", "<u2")])
NODE = np.dtype([("threshold", "<f4"), ("column", "<u2"), ("first", "<u2")])


class UnknownShapeError(Exception):
    """A booster with something that the flat form doesn't hold, such as a categorical split."""


def flatten(booster: bytes) -> bytes:
    """The flat form of a booster.

    Args:
        booster: in XGBoost's UBJSON, as ``Booster.save_raw("ubj")`` gives it.

    Raises:
        UnknownShapeError: naming what the flat form doesn't hold.
    """
    learner = loads(booster)["learner"]
    parameters, objective = learner["learner_model_param"], learner["objective"]["name"]
    if objective not in TRANSFORMS:
        raise UnknownShapeError(f"objective {objective}")
    if learner["gradient_booster"]["name"] != "gbtree":
        raise UnknownShapeError(f"booster {learner['gradient_booster']['name']}")
    model = learner["gradient_booster"]["model"]
    n_features, n_groups = int(parameters["num_feature"]), max(int(parameters["num_class"]), 1)
    if not (1 <= n_features <= MOST_FEATURES and n_groups <= MOST_GROUPS):
        raise UnknownShapeError(f"{n_features} features, {n_groups} classes")
    trees = np.zeros(len(model["trees"]), TREE)
    trees["group"] = model["tree_info"]
    blocks = [_nodes(tree, n_features) for tree in model["trees"]]
    sizes = [len(nodes) for nodes, _ in blocks]
    trees["root"] = np.cumsum([0, *sizes])[:-1]
    trees["depth"] = [depth for _, depth in blocks]
    header = np.zeros(1, HEADER)
    header[0] = (MAGIC, VERSION, n_features, n_groups, len(trees), sum(sizes), TRANSFORMS[objective])
    base = np.zeros(n_groups + n_groups % 2, "<f4")
    base[:n_groups] = _base_margins(parameters["base_score"])
    return b"".join([header.tobytes(), base.tobytes(), trees.tobytes(), *(nodes.tobytes() for nodes, _ in blocks)])


def _base_margins(text: str) -> NDArray[np.float32]:
    """One for all classes, or ``[a,b,…]``; the two objectives take them as they are."""
    return np.array([float(part) for part in text.strip("[]").split(",")], dtype=np.float32)


def _nodes(tree: dict[str, Any], n_features: int) -> tuple[NDArray[Any], int]:
    """The nodes of one tree, level by level, and its depth."""
    if np.any(tree["split_type"]) or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise UnknownShapeError("categorical splits or vectors in leaves")
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    missing_left = np.asarray(tree["default_left"]) != 0
    threshold = np.asarray(tree["split_conditions"], dtype=np.float32)
    levels = [np.array([0])]
    while len(parents := levels[-1][left[levels[-1]] >= 0]):
        flip = missing_left[parents]
        levels.append(
            np.column_stack(
                [np.where(flip, left[parents], right[parents]), np.where(flip, right[parents], left[parents])]
            ).ravel()
        )
    order, depth = np.concatenate(levels), len(levels) - 1
    place = np.empty(len(left), dtype=np.int64)
    place[order] = np.arange(len(order))
    is_inner, flip = left[order] >= 0, missing_left[order]
    first = np.where(is_inner, np.minimum(place[left[order]], place[right[order]]) - np.arange(len(order)), 0)
    column = np.where(is_inner, np.asarray(tree["split_indices"])[order] + flip * n_features, 2 * n_features)
    after = np.nextafter(-threshold[order], np.float32(np.inf))
    nodes = np.empty(len(order), NODE)
    nodes["column"], nodes["first"] = column, first
    nodes["threshold"] = np.where(is_inner & flip, after, threshold[order])
    if depth > MOST_DEPTH or first.max() > MOST_FIRST or np.isnan(threshold).any():
        raise UnknownShapeError(f"a tree of {len(order)} nodes, {depth} deep, or a split at no number")
    if np.any(is_inner & flip & (threshold[order] == -np.inf)):  # nothing comes after infinity
        raise UnknownShapeError("a split at minus infinity")
    return nodes, depth


def split_points(flat: bytes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The feature of each inner node, int64 (n_splits,), and the value at which it parts, float32 (n_splits,)."""
    header = np.frombuffer(flat, HEADER, 1)[0]
    nodes = np.frombuffer(flat, NODE, offset=len(flat) - int(header["n_nodes"]) * NODE.itemsize)
    n_features, column = int(header["n_features"]), nodes["column"].astype(np.int64)
    is_inner, is_flipped = column < 2 * n_features, column >= n_features
    value = np.where(is_flipped, -np.nextafter(nodes["threshold"], np.float32(-np.inf)), nodes["threshold"])
    return column[is_inner] % n_features, value[is_inner]
