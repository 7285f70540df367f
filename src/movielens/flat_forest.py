"""The flat form of a booster's trees, which the server asks as it is.

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

This module owns the constants of the form. The extension `serve._forest` is given the
three tables and compares their dtypes with its own structures.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

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
        ValueError: it is no booster as XGBoost writes it.
    """
    try:
        return _flatten(loads(booster)["learner"])
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"not a booster as XGBoost writes it: {error!r}") from error


def _flatten(learner: dict[str, Any]) -> bytes:
    parameters = learner["learner_model_param"]
    n_features = int(parameters["num_feature"])
    gradient_booster = learner["gradient_booster"]
    # dart has its trees one level deeper, and a linear booster has none.
    holder = gradient_booster.get("gbtree", gradient_booster)
    _check_links(holder["model"].get("trees", []), n_features)
    n_groups = max(int(parameters["num_class"]), 1)
    n_targets = int(parameters.get("num_target", "1"))
    _check_order(holder["model"], max(n_groups, n_targets))

    objective = learner["objective"]["name"]
    if objective not in TRANSFORMS:
        raise UnknownShapeError(f"objective {objective}")

    kind = gradient_booster["name"]
    if kind != "gbtree":
        raise UnknownShapeError(f"booster {kind}")

    if not 1 <= n_features <= MOST_FEATURES or n_groups > MOST_GROUPS:
        raise UnknownShapeError(f"{n_features} features, {n_groups} classes")

    model = gradient_booster["model"]
    # From XGBoost 3.4 on, dart is an ordinary booster whose trees have weights.
    weights = np.asarray(model.get("weight_drop", []), np.float32)
    if np.any(weights != 1):
        raise UnknownShapeError("trees with weights")

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

    base_margins = np.zeros(_padded(n_groups), "<f4")
    base_margins[:n_groups] = _base_margins(parameters["base_score"])

    parts = [header, base_margins, trees, *(tree.nodes for tree in flat_trees)]
    return b"".join(part.tobytes() for part in parts)


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


def parts_of(flat: bytes) -> FlatParts:
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
        n_features=n_features,
        softmax=transform == TRANSFORMS["multi:softprob"],
        base_margins=np.frombuffer(flat, "<f4", n_groups, HEADER.itemsize),
        trees=trees,
        nodes=np.frombuffer(flat, NODE, n_nodes, trees_end),
    )


def _padded(n_groups: int) -> int:
    """How many base margins are stored, so that the trees behind them are aligned."""
    return n_groups + n_groups % 2


def split_points(flat: bytes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The features and the values at which the inner nodes split.

    Args:
        flat: the flat form.

    Returns:
        The feature of each inner node, int64 (n_splits,), and its split point, float32
        (n_splits,).
    """
    parts = parts_of(flat)
    column = parts.nodes["column"].astype(np.int64)

    leaf_column = 2 * parts.n_features
    is_inner = column < leaf_column
    feature = column[is_inner] % parts.n_features
    points = _values(parts.nodes["key"][is_inner])
    return feature, points


def _check_links(trees: list[dict[str, Any]], n_features: int) -> None:
    """Check where the nodes of all trees lead, and which features they look at.

    XGBoost follows these numbers wherever they lead.

    Raises:
        ValueError: to the root, to a node twice, out of the tree or past the last
            feature.
    """
    sizes = [len(tree["left_children"]) for tree in trees]
    left = _all_of(trees, "left_children", sizes)
    right = _all_of(trees, "right_children", sizes)
    feature = _all_of(trees, "split_indices", sizes)

    size = np.repeat(sizes, sizes)
    is_inner = left != -1
    is_in_tree = (left > 0) & (left < size) & (right > 0) & (right < size)
    is_feature = (feature >= 0) & (feature < n_features)
    leads_somewhere = np.all(is_in_tree & is_feature, where=is_inner)

    root = np.repeat(np.cumsum(sizes) - sizes, sizes)
    children = np.concatenate([(root + left)[is_inner], (root + right)[is_inner]])
    if not leads_somewhere or np.bincount(children).max(initial=0) > 1:
        raise ValueError(
            "not a booster as XGBoost writes it: a node has two parents or leads "
            "nowhere"
        )


def _check_order(model: dict[str, Any], n_groups: int) -> None:
    """Check to which group each tree gives, and which trees each round has.

    XGBoost uses these numbers, too, as they are.

    Raises:
        ValueError: a group or a tree that isn't there, or trees of no round.
    """
    n_trees = len(model.get("trees", []))
    group = _whole_numbers(model.get("tree_info", []))
    # Where the trees of each round begin, and where the last ones end.
    begin = _whole_numbers(model.get("iteration_indptr", [0]))
    are_groups = len(group) == n_trees and np.all((group >= 0) & (group < n_groups))
    are_rounds = (
        len(begin) > 0
        and begin[0] == 0
        and begin[-1] == n_trees
        and np.all(np.diff(begin) > 0)
    )
    if not (are_groups and are_rounds):
        raise ValueError(
            "not a booster as XGBoost writes it: a tree of a group or a round that "
            "isn't there"
        )


def _whole_numbers(values: Any) -> NDArray[np.int64]:
    return np.asarray(values).astype(np.int64)


def _all_of(
    trees: list[dict[str, Any]], name: str, sizes: list[int]
) -> NDArray[np.int64]:
    """The same array of all trees, one behind the other."""
    nothing = np.empty(0, dtype=np.int64)
    arrays = [np.asarray(tree[name]) for tree in trees]
    if list(map(len, arrays)) != sizes:
        raise ValueError(f"not a booster as XGBoost writes it: {name} are too few")
    return np.concatenate([nothing, *arrays]).astype(np.int64)


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

    left = np.asarray(tree["left_children"], dtype=np.int32)
    right = np.asarray(tree["right_children"], dtype=np.int32)
    order, first, depth = _shape(left.tobytes(), right.tobytes())
    n_nodes = len(order)
    is_inner = first > 0
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


class _Shape(NamedTuple):
    """The nodes of a tree, level by level.

    Attributes:
        order: int32 (n_nodes,), XGBoost's number of each.
        first: int64 (n_nodes,), the distance to its first child; 0 of a leaf.
        depth: how many levels there are below the root.
    """

    order: NDArray[np.int32]
    first: NDArray[np.int64]
    depth: int


# The trees of an axis follow each other and have one shape.
@functools.lru_cache(maxsize=1)
def _shape(left_children: bytes, right_children: bytes) -> _Shape:
    """The shape of a tree, from XGBoost's numbers of the nodes' children, int32."""
    left = np.frombuffer(left_children, np.int32)
    right = np.frombuffer(right_children, np.int32)
    levels = _levels(left, right)

    order = np.concatenate(levels)
    places = np.arange(len(order))
    position = np.empty(len(left), dtype=np.int64)
    position[order] = places

    is_inner = left[order] >= 0
    distance_to_first = position[right[order]] - places
    first = np.where(is_inner, distance_to_first, 0)
    return _Shape(order, first, depth=len(levels) - 1)


def _levels(
    left: NDArray[np.int32], right: NDArray[np.int32]
) -> list[NDArray[np.int32]]:
    """XGBoost's numbers of a tree's nodes, level by level.

    The right child comes first, because a row goes to the first child if its value is
    not below the split point.
    """
    level = np.zeros(1, dtype=np.int32)
    levels = [level]
    n_nodes = 1
    while n_nodes <= len(left):
        parents = level[left[level] >= 0]
        if not len(parents):
            return levels
        level = np.column_stack([right[parents], left[parents]]).ravel()
        levels.append(level)
        n_nodes += len(level)
    raise ValueError("not a booster as XGBoost writes it: a node has two parents")


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
