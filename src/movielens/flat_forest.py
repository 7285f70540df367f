"""The flat form of a booster's trees: what the server's kernel evaluates, mapped from
the file as it stands.

Little-endian: a header, the base margins, the trees, and 8 bytes a node. A node holds
its split point as a key, the column that it looks at, and the distance to its first
child; the second child is next to it. A row goes to the second child if its value is
below the split point, and to the first otherwise. Keys are whole numbers in the order
of the floats. Each feature has two columns, n_features apart: a missing value is above
all numbers in the one and below all in the other. A leaf looks at a column that is
above all and is its own first child; its key is the bits of its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.ubjson import loads

MAGIC, VERSION = b"HALFTREE", 3
MOST_FEATURES, MOST_GROUPS, MOST_DEPTH, MOST_FIRST = 2047, 256, 4096, 2**16 - 1
TRANSFORMS = {"reg:squarederror": 0, "multi:softprob": 1}

HEADER = np.dtype(
    [
        ("magic", "S8"),
        *((name, "<u4") for name in ("version", "n_features", "n_groups")),
    ]
    + [(name, "<u4") for name in ("n_trees", "n_nodes", "transform")]
)
_SIGN = np.uint32(1 << 31)
TREE = np.dtype([("root", "<u4"), ("group", "<u2"), ("depth", "<u2")])
NODE = np.dtype([("key", "<u4"), ("column", "<u2"), ("first", "<u2")])


class UnknownShapeError(Exception):
    """A booster with something that the flat form doesn't hold, such as a categorical
    split.
    """


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
    n_features, n_groups = (
        int(parameters["num_feature"]),
        max(int(parameters["num_class"]), 1),
    )
    if not (1 <= n_features <= MOST_FEATURES and n_groups <= MOST_GROUPS):
        raise UnknownShapeError(f"{n_features} features, {n_groups} classes")
    trees = np.zeros(len(model["trees"]), TREE)
    trees["group"] = model["tree_info"]
    blocks = [_nodes(tree, n_features) for tree in model["trees"]]
    sizes = [len(nodes) for nodes, _ in blocks]
    trees["root"] = np.cumsum([0, *sizes])[:-1]
    trees["depth"] = [depth for _, depth in blocks]
    header = np.zeros(1, HEADER)
    header[0] = (
        MAGIC,
        VERSION,
        n_features,
        n_groups,
        len(trees),
        sum(sizes),
        TRANSFORMS[objective],
    )
    base = np.zeros(_padded(n_groups), "<f4")
    base[:n_groups] = _base_margins(parameters["base_score"])
    return b"".join(
        [
            header.tobytes(),
            base.tobytes(),
            trees.tobytes(),
            *(nodes.tobytes() for nodes, _ in blocks),
        ]
    )


def _base_margins(text: str) -> NDArray[np.float32]:
    """One for all classes, or ``[a,b,…]``; the two objectives take them as they are."""
    margins = np.array(
        [float(part) for part in text.strip("[]").split(",")], dtype=np.float32
    )
    if np.any((margins == 0) & np.signbit(margins)):
        raise UnknownShapeError("a base score of -0")
    return margins


def _nodes(tree: dict[str, Any], n_features: int) -> tuple[NDArray[Any], int]:
    """The nodes of one tree, level by level, and its depth."""
    if (
        np.any(tree["split_type"])
        or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1
    ):
        raise UnknownShapeError("categorical splits or vectors in leaves")
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    value = np.asarray(tree["split_conditions"], dtype=np.float32)
    levels = [np.array([0])]
    while len(parents := levels[-1][left[levels[-1]] >= 0]):
        levels.append(np.column_stack([right[parents], left[parents]]).ravel())
    order, depth = np.concatenate(levels), len(levels) - 1
    place = np.empty(len(left), dtype=np.int64)
    place[order] = np.arange(len(order))
    is_inner, missing_is_below = (
        left[order] >= 0,
        np.asarray(tree["default_left"])[order] != 0,
    )
    first = np.where(is_inner, place[right[order]] - np.arange(len(order)), 0)
    if depth > MOST_DEPTH or first.max() > MOST_FIRST or np.isnan(value).any():
        raise UnknownShapeError(
            f"a tree of {len(order)} nodes, {depth} deep, or a split at no number"
        )
    column = np.asarray(tree["split_indices"])[order] + missing_is_below * n_features
    nodes = np.empty(len(order), NODE)
    nodes["key"] = np.where(is_inner, _keys(value[order]), value[order].view(np.uint32))
    nodes["column"], nodes["first"] = np.where(is_inner, column, 2 * n_features), first
    return nodes, depth


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    bits = (values + np.float32(0)).view(np.uint32)  # -0 becomes 0, which equals it
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


@dataclass(frozen=True, slots=True, eq=False)
class FlatParts:
    """The tables of a flat form. Arrays are read-only views of its bytes.

    Attributes:
        n_features: columns of a row that is evaluated.
        softmax: whether margins become probabilities.
        base_margins: float32 (n_groups,), where the sum of a group begins.
        trees: of type ``TREE`` (n_trees,).
        nodes: of type ``NODE`` (n_nodes,), tree after tree.
    """

    n_features: int
    softmax: bool
    base_margins: NDArray[np.float32]
    trees: NDArray[Any]
    nodes: NDArray[Any]


def parts_of(flat: bytes | mmap) -> FlatParts:
    """The tables of a flat form, by its header.

    What the nodes say isn't checked here: ``serve._forest`` does that.

    Raises:
        ValueError: if the bytes aren't a flat form of this version.
    """
    if len(flat) < HEADER.itemsize:
        raise ValueError(f"not a flat forest: {len(flat)} bytes are too short")
    header = np.frombuffer(flat, HEADER, 1)[0]
    magic, version = bytes(header["magic"]), int(header["version"])
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(f"not a flat forest: it has the form {magic!r} {version}")

    n_features = int(header["n_features"])
    n_groups = int(header["n_groups"])
    transform = int(header["transform"])
    if not (1 <= n_features <= MOST_FEATURES and 1 <= n_groups <= MOST_GROUPS):
        raise ValueError(
            f"not a flat forest: {n_features} features or {n_groups} groups are out of "
            "bounds"
        )
    if transform not in TRANSFORMS.values():
        raise ValueError(f"not a flat forest: there is no transform {transform}")

    n_trees = int(header["n_trees"])
    n_nodes = int(header["n_nodes"])
    base_end = HEADER.itemsize + _padded(n_groups) * np.dtype("<f4").itemsize
    trees_end = base_end + n_trees * TREE.itemsize
    nodes_end = trees_end + n_nodes * NODE.itemsize
    if nodes_end != len(flat):
        raise ValueError(
            f"not a flat forest: its header says {nodes_end} bytes, but it has "
            f"{len(flat)}"
        )
    trees = np.frombuffer(flat, TREE, n_trees, base_end)
    depth = int(trees["depth"].max(initial=0))
    if depth > MOST_DEPTH:
        raise ValueError(f"not a flat forest: a tree of depth {depth} is out of bounds")
    return FlatParts(
        n_features,
        transform == TRANSFORMS["multi:softprob"],
        np.frombuffer(flat, "<f4", n_groups, HEADER.itemsize),
        trees,
        np.frombuffer(flat, NODE, n_nodes, trees_end),
    )


def _padded(n_groups: int) -> int:
    """How many base margins are stored, so that the trees behind them are aligned."""
    return n_groups + n_groups % 2


def leading_trees(parts: FlatParts, columns: NDArray[np.int64]) -> int:
    """How many trees, from the first on, look at none but these columns."""
    n_features = parts.n_features
    looks_elsewhere = np.ones(2 * n_features + 1, dtype=np.bool_)
    looks_elsewhere[columns] = False
    looks_elsewhere[columns + n_features] = False
    looks_elsewhere[2 * n_features] = False  # a leaf's column

    elsewhere = np.flatnonzero(looks_elsewhere[parts.nodes["column"]])
    if not len(elsewhere):
        return len(parts.trees)
    return int(parts.trees["root"].searchsorted(elsewhere[0], side="right")) - 1


def split_points(flat: bytes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The feature of each inner node, int64 (n_splits,), and the value at which it
    parts, float32 (n_splits,).
    """
    parts = parts_of(flat)
    n_features = parts.n_features
    column = parts.nodes["column"].astype(np.int64)
    is_inner = column < 2 * n_features
    key = parts.nodes["key"][is_inner]
    bits = np.where(key & _SIGN, key & ~_SIGN, ~key)
    return column[is_inner] % n_features, bits.view(np.float32)
