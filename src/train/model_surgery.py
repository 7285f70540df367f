"""Changes to trees after training, made in XGBoost's UBJSON.

- `GrowingBooster` joins boosters of one round into one booster, sends missing values to
  the left, and gives each class its share of trees along axes (`train.axes`).
- `start_of` takes the rounds away, and leaves where they begin.
- `joined` makes one booster of several chains of rounds and of several seeds. Gates
  make a chain give 0 to the rows of others.

The result is always an ordinary booster of XGBoost, which any program that evaluates
boosters can evaluate. UBJSON, because its arrays stay arrays: in JSON, every number of
a model would be a Python object, and small instances lack the memory for that.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.ubjson import Encoded, dumps, loads
from train.axes import Axes
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
        self._rounds: list[list[Encoded]] = []
        if start:
            self._model = loads(start)
            self._rounds = [
                [Encoded(dumps(tree)) for tree in trees]
                for trees in _rounds(self._model)
            ]

    @property
    def n_rounds(self) -> int:
        """Rounds so far."""
        return len(self._rounds)

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to go on from, be it only where trees begin."""
        return bool(self._model)

    def begin(self, booster: xgboost.Booster) -> None:
        """Begin where the trees of this booster of all classes begin."""
        model = _model(booster)
        _put_rounds(model, [])
        learner = model["learner"]
        learner["learner_model_param"]["num_feature"] = str(len(self.names))
        learner["feature_names"] = list(self.names)
        learner["feature_types"] = ["float"] * len(self.names)
        self._model = model

    def add(
        self,
        booster: xgboost.Booster,
        columns: NDArray[np.int64],
        cuts: Cuts,
        axes: Axes | None = None,
    ) -> None:
        """Add the only round of ``booster``, which was trained on bins.

        A missing value was in the lowest bin, which is on the left of every split; so
        missing values now go there.

        Args:
            booster: one round.
            columns: int64 (n_columns,), where its features are among all features.
            cuts: between the bins of all features.
            axes: what its trees stand for; None if each tree is a class's.
        """
        if not self._model:
            self.begin(booster)

        n_before = sum(map(len, self._rounds))
        added: list[Encoded] = []
        for n_tree, tree in enumerate(_trees(_model(booster))):
            self._look_at_features(tree, columns, cuts)
            trees = [tree] if axes is None else _of_classes(tree, axes.shares[n_tree])
            for each in trees:
                each["id"] = n_before + len(added)
                added.append(Encoded(dumps(each)))
        self._rounds.append(added)

    def _look_at_features(
        self, tree: _Tree, columns: NDArray[np.int64], cuts: Cuts
    ) -> None:
        """Change a tree of bins of some features into one of values of all features."""
        is_split = tree["left_children"] >= 0
        feature = tree["split_indices"]
        among_all = np.where(is_split, columns[feature], 0)
        tree["split_indices"] = among_all.astype(feature.dtype)
        values = tree["split_conditions"].copy()
        splits = among_all[is_split], values[is_split]
        values[is_split] = cuts.thresholds(*splits)
        tree["split_conditions"] = values
        tree["default_left"] = np.ones_like(tree["default_left"])
        tree["tree_param"]["num_feature"] = str(len(self.names))

    def ubjson(self) -> bytes:
        """All rounds so far, at least one, as XGBoost's UBJSON."""
        _put_rounds(self._model, self._rounds)
        return dumps(self._model)

    def booster(self) -> xgboost.Booster:
        """All rounds so far, at least one."""
        return xgboost.Booster(model_file=bytearray(self.ubjson()))


def start_of(booster: bytes) -> bytes:
    """A booster without rounds that begins where this one does, both as UBJSON."""
    model = loads(booster)
    _put_rounds(model, [])
    return dumps(model)


class Chain(NamedTuple):
    """Rounds that answer some of the rows, boosted with each of several seeds.

    Attributes:
        boosters: one a seed as UBJSON, with as many rounds each.
        gates: what holds the other rows back from each tree.
        n_before: the first rounds, which all seeds have in common. They come once, and
            stay as they are.
    """

    boosters: Sequence[bytes]
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
    # By the time XGBoost reads them, all that these bytes were made of is gone.
    ubjson = bytearray(_joined(chains))
    return xgboost.Booster(model_file=ubjson)


def _joined(chains: Iterable[Chain]) -> bytes:
    whole: _Model = {}
    rounds: list[list[Encoded]] = []
    n_trees = 0
    for chain in chains:
        for n_seed, booster in enumerate(chain.boosters):
            model = loads(booster)
            whole = whole or model
            for trees in _finished_rounds(model, chain, is_first=n_seed == 0):
                for tree in trees:
                    tree["id"] = n_trees
                    n_trees += 1
                # As bytes, a tree takes less memory.
                rounds.append([Encoded(dumps(tree)) for tree in trees])
    _put_rounds(whole, rounds)
    return dumps(whole)


def _finished_rounds(
    model: _Model, chain: Chain, *, is_first: bool
) -> Iterator[list[_Tree]]:
    """The rounds of one seed as they are in the whole."""
    for n_round, trees in enumerate(_rounds(model)):
        is_shared = n_round < chain.n_before
        if is_shared and not is_first:
            continue
        for tree in trees:
            if not is_shared:
                for gate in chain.gates:
                    _add_gate(tree, gate)
                _divide_leaves(tree, len(chain.boosters))
            _round_numbers(tree)
        yield trees


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


def _of_classes(tree: _Tree, shares: NDArray[np.float32]) -> list[_Tree]:
    """A copy of an axis's tree for each class, with the class's share of its leaves.

    Its gains are divided among them, so that their sum stays the same.
    """
    values = tree["split_conditions"]
    is_leaf = tree["left_children"] < 0
    gains = tree["loss_changes"] / np.float32(len(shares))

    copies: list[_Tree] = []
    for share in shares:
        shared = np.where(is_leaf, values * share, values)
        copy = {
            **tree,
            "split_conditions": shared.astype(values.dtype),
            "loss_changes": gains.astype(values.dtype),
        }
        copies.append(copy)
    return copies


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


def _put_rounds(model: _Model, rounds: Sequence[Sequence[_Tree | Encoded]]) -> None:
    """Make these the rounds of the model, each with as many trees for every class."""
    forest = _forest(model)
    trees = [tree for each in rounds for tree in each]
    n_classes = _n_classes(model)
    forest["trees"] = trees
    forest["tree_info"] = [position % n_classes for position in range(len(trees))]
    forest["iteration_indptr"] = [0, *itertools.accumulate(map(len, rounds))]
    forest["gbtree_model_param"]["num_trees"] = str(len(trees))


def _model(booster: xgboost.Booster) -> _Model:
    model: _Model = loads(bytes(booster.save_raw("ubj")))
    return model


def _forest(model: _Model) -> dict[str, Any]:
    forest: dict[str, Any] = model["learner"]["gradient_booster"]["model"]
    return forest


def _trees(model: _Model) -> list[_Tree]:
    trees: list[_Tree] = _forest(model)["trees"]
    return trees


def _rounds(model: _Model) -> Iterator[list[_Tree]]:
    """The trees of each round, which the model then forgets."""
    forest = _forest(model)
    trees = deque(forest["trees"])
    forest["trees"] = []

    begins = forest["iteration_indptr"]
    for n_trees in np.diff(begins).tolist():
        yield [trees.popleft() for _ in range(n_trees)]


def _n_classes(model: _Model) -> int:
    # XGBoost has 0 classes for a regression.
    n_classes = int(model["learner"]["learner_model_param"]["num_class"])
    return max(1, n_classes)
