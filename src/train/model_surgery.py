"""Changes to trees after training, made in XGBoost's UBJSON.

- `GrowingBooster` joins boosters of one round into one booster, and sends missing
  values to the left.
- `start_of` takes the rounds away, and leaves where they begin.
- `joined` makes one booster of several chains of rounds and of several seeds. Gates
  make a chain give 0 to the rows of others.

The result is always an ordinary booster of XGBoost, which any program that evaluates
boosters can evaluate. UBJSON, because its arrays stay arrays: in JSON, every number of
a model would be a Python object, and small instances lack the memory for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.ubjson import Encoded, dumps, loads
from train.bins import Cuts
from train.schedule import Gate

# A leaf is a small step towards a margin. Thousands of errors of half this size don't
# change the margin's fourth digit.
LEAF_STEP = 2.0**-17

# XGBoost's mark in `parents` for the root.
_NO_PARENT = 2**31 - 1
# Gains and covers keep 7 binary digits.
_MANTISSA_STEPS = 128
# The weight of the rows that a gate holds back, which XGBoost's explanations ask for.
# It is less than that of any other node.
_GATED_WEIGHT = 1e-3

_Tree = dict[str, Any]
_Model = dict[str, Any]


class GrowingBooster:
    """A booster that grows round by round.

    Each round comes from a booster of one round, which was trained on some of the
    features. The trees are kept as UBJSON, so making the whole booster only joins
    bytes.

    Attributes:
        names: of all features.
    """

    def __init__(self, names: tuple[str, ...], start: bytes = b"") -> None:
        """Begin with the rounds of ``start``, or with none.

        Args:
            names: of all features.
            start: a booster of all features, as XGBoost's UBJSON; empty for none. It
                may have no rounds, and only say from where they begin.
        """
        self.names = names
        self._model: _Model = {}
        self._trees: list[Encoded] = []
        if start:
            self._model = loads(start)
            self._trees = [Encoded(dumps(tree)) for tree in _trees(self._model)]

    @property
    def n_rounds(self) -> int:
        """Rounds so far."""
        if not self._trees:
            return 0
        return len(self._trees) // _trees_a_round(self._model)

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to go on from, be it only where trees begin."""
        return bool(self._model)

    def add(
        self, booster: xgboost.Booster, columns: NDArray[np.int64], cuts: Cuts
    ) -> None:
        """Add the only round of ``booster``, which was trained on bins.

        A missing value was in the lowest bin, which is on the left of every split; so
        missing values now go there.

        Args:
            booster: one round.
            columns: int64 (n_columns,), where its features are among all features.
            cuts: between the bins of all features.
        """
        model = _model(booster)
        n_features = str(len(self.names))
        for tree in _trees(model):
            is_split = tree["left_children"] >= 0
            feature = tree["split_indices"]
            among_all = np.where(is_split, columns[feature], 0)
            tree["split_indices"] = among_all.astype(feature.dtype)
            values = tree["split_conditions"].copy()
            splits = among_all[is_split], values[is_split]
            values[is_split] = cuts.thresholds(*splits)
            tree["split_conditions"] = values
            tree["default_left"] = np.ones_like(tree["default_left"])
            tree["tree_param"]["num_feature"] = n_features
            tree["id"] = len(self._trees)
            self._trees.append(Encoded(dumps(tree)))

        if not self._model:
            self._model = model
            learner = model["learner"]
            learner["learner_model_param"]["num_feature"] = n_features
            learner["feature_names"] = list(self.names)
            learner["feature_types"] = ["float"] * len(self.names)

    def ubjson(self) -> bytes:
        """All rounds so far, at least one, as XGBoost's UBJSON."""
        _put_trees(self._model, self._trees)
        return dumps(self._model)

    def booster(self) -> xgboost.Booster:
        """All rounds so far, at least one."""
        return xgboost.Booster(model_file=bytearray(self.ubjson()))


def start_of(booster: xgboost.Booster) -> bytes:
    """A booster without rounds that begins where this one does, as UBJSON."""
    model = _model(booster)
    _put_trees(model, [])
    return dumps(model)


class Chain(NamedTuple):
    """Rounds that answer some of the rows, boosted with each of several seeds.

    Attributes:
        boosters: one a seed, with as many rounds each.
        gates: what holds the other rows back from each tree.
        n_before: the first rounds, which all seeds have in common. They come once, and
            stay as they are.
    """

    boosters: Sequence[xgboost.Booster]
    gates: Sequence[Gate] = ()
    n_before: int = 0


def joined(chains: Iterable[Chain]) -> xgboost.Booster:
    """One booster with the rounds of all chains, which begin at the same margins.

    The margins of a chain are the mean over its seeds. Numbers are rounded so that they
    pack well: leaves to `LEAF_STEP`; gains and covers, which only explain a tree, to 7
    binary digits. The weights of nodes become 0: XGBoost doesn't read them once a tree
    is grown.

    Args:
        chains: at least one.
    """
    whole: _Model = {}
    trees: list[Encoded] = []
    for chain in chains:
        for n_seed, booster in enumerate(chain.boosters):
            model = _model(booster)
            whole = whole or model
            for tree in _finished_trees(model, chain, is_first=n_seed == 0):
                tree["id"] = len(trees)
                # As bytes, a tree takes less memory.
                trees.append(Encoded(dumps(tree)))
    _put_trees(whole, trees)
    return _booster(whole)


def _finished_trees(model: _Model, chain: Chain, *, is_first: bool) -> Iterator[_Tree]:
    """The trees of one seed as they are in the whole."""
    trees = _trees(model)
    n_shared = chain.n_before * _trees_a_round(model)
    if is_first:
        for tree in trees[:n_shared]:
            _round_numbers(tree)
            yield tree
    for tree in trees[n_shared:]:
        for gate in chain.gates:
            _add_gate(tree, gate)
        _divide_leaves(tree, len(chain.boosters))
        _round_numbers(tree)
        yield tree


def _round_numbers(tree: _Tree) -> None:
    values = tree["split_conditions"]
    rounded = np.round(values.astype(np.float64) / LEAF_STEP) * LEAF_STEP
    is_leaf = tree["left_children"] < 0
    tree["split_conditions"] = np.where(is_leaf, rounded, values).astype(values.dtype)
    tree["base_weights"] = np.zeros_like(tree["base_weights"])
    for name in ("loss_changes", "sum_hessian"):
        tree[name] = _with_fewer_digits(tree[name]).astype(values.dtype)


def _with_fewer_digits(numbers: NDArray[np.float32]) -> NDArray[np.float64]:
    mantissa, exponent = np.frexp(numbers.astype(np.float64))
    mantissa = np.round(mantissa * _MANTISSA_STEPS) / _MANTISSA_STEPS
    shortened: NDArray[np.float64] = np.ldexp(mantissa, exponent)
    return shortened


def _divide_leaves(tree: _Tree, by: int) -> None:
    values = tree["split_conditions"]
    is_leaf = tree["left_children"] < 0
    divided = np.where(is_leaf, values / by, values)
    tree["split_conditions"] = divided.astype(values.dtype)


def _add_gate(tree: _Tree, gate: Gate) -> None:
    """Add a new root, which asks whether a value is high enough.

    A row where the value is less than the gate's goes left, to a leaf of 0. Any other
    row goes right, to the old root. The leaf comes right before the old root, because
    XGBoost's contributions take the right child to be the node after the left one.
    """
    root, leaf, old_root = 0, 1, 2
    n_nodes = int(tree["tree_param"]["num_nodes"])

    # Each old node moves two places on, and so do the links between old nodes.
    for name in ("left_children", "right_children", "parents"):
        nodes = tree[name]
        is_link = (nodes >= 0) & (nodes != _NO_PARENT)
        tree[name] = np.where(is_link, nodes + old_root, nodes).astype(nodes.dtype)
    for name, values in tree.items():
        if isinstance(values, np.ndarray) and len(values) == n_nodes:
            new_nodes = np.zeros(old_root, values.dtype)
            tree[name] = np.concatenate([new_nodes, values], dtype=values.dtype)
    tree["tree_param"]["num_nodes"] = str(n_nodes + old_root)

    tree["parents"][root] = _NO_PARENT
    tree["parents"][leaf] = root
    tree["parents"][old_root] = root

    tree["left_children"][root] = leaf
    tree["right_children"][root] = old_root
    tree["left_children"][leaf] = -1
    tree["right_children"][leaf] = -1

    tree["split_indices"][root] = gate.column
    tree["split_conditions"][root] = gate.least
    tree["default_left"][root] = 1

    tree["sum_hessian"][root] = tree["sum_hessian"][old_root] + _GATED_WEIGHT
    tree["sum_hessian"][leaf] = _GATED_WEIGHT


def _put_trees(model: _Model, trees: Sequence[_Tree | Encoded]) -> None:
    """Make these the trees of the model."""
    forest = _forest(model)
    trees_a_round = _trees_a_round(model)
    n_trees = len(trees)
    forest["trees"] = list(trees)
    forest["tree_info"] = [position % trees_a_round for position in range(n_trees)]
    forest["iteration_indptr"] = list(range(0, n_trees + 1, trees_a_round))
    forest["gbtree_model_param"]["num_trees"] = str(n_trees)


def _model(booster: xgboost.Booster) -> _Model:
    model: _Model = loads(bytes(booster.save_raw("ubj")))
    return model


def _booster(model: _Model) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(dumps(model)))


def _forest(model: _Model) -> dict[str, Any]:
    forest: dict[str, Any] = model["learner"]["gradient_booster"]["model"]
    return forest


def _trees(model: _Model) -> list[_Tree]:
    trees: list[_Tree] = _forest(model)["trees"]
    return trees


def _trees_a_round(model: _Model) -> int:
    # XGBoost has 0 classes for a regression.
    n_classes = int(model["learner"]["learner_model_param"]["num_class"])
    return max(1, n_classes)
