"""Trees changed after training, in XGBoost's UBJSON: rounds joined, what is missing
sent left, gates put before, models averaged.

What comes out is an ordinary booster of XGBoost, which whatever evaluates boosters can
evaluate. UBJSON because its arrays stay arrays: as JSON, every number of a model is an
object of its own, which small instances have no memory for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.ubjson import Encoded, dumps, loads
from train.schedule import Schedule

_NO_PARENT = 2**31 - 1
# Leaves are steps on the way to a margin of some size; thousands of such errors don't
# change its fourth digit.
LEAF_STEP = 2.0**-17
# Of the rows that a gate holds back, for what asks how many rows went where: less than
# any other node has.
_GATED_WEIGHT = 1e-3


class Grown:
    """A booster that gets round after round, each from a booster of one round that was
    trained on some of the features.

    Its trees are kept as UBJSON, so that to make the booster is to join bytes.

    Attributes:
        names: of all features.
    """

    def __init__(self, names: tuple[str, ...], start: bytes = b"") -> None:
        """Begin with the rounds of ``start``, a booster of all features as UBJSON, or
        with none.
        """
        self.names = names
        self._model: dict[str, Any] = loads(start) if start else {}
        self._trees = (
            [Encoded(dumps(tree)) for tree in _trees(self._model)] if start else []
        )

    @property
    def n_rounds(self) -> int:
        """Rounds so far."""
        return len(self._trees) // _trees_a_round(self._model) if self._trees else 0

    def add(self, booster: xgboost.Booster, columns: NDArray[np.int64]) -> None:
        """Add the only round of ``booster``, whose features are the given ones of all.

        It was trained on `train.blocks.MISSING`, which went to the left as the least of
        all numbers.
        """
        model = _model(booster)
        for tree in _trees(model):
            names, split = tree["split_indices"].dtype, tree["left_children"] >= 0
            tree["split_indices"] = np.where(
                split, columns[tree["split_indices"]], 0
            ).astype(names)
            tree["default_left"] = np.ones_like(tree["default_left"])
            tree["tree_param"]["num_feature"] = str(len(self.names))
            tree["id"] = len(self._trees)
            self._trees.append(Encoded(dumps(tree)))
        if not self._model:
            self._model = model
            model["learner"]["learner_model_param"]["num_feature"] = str(
                len(self.names)
            )
            model["learner"]["feature_names"] = list(self.names)
            model["learner"]["feature_types"] = ["float"] * len(self.names)

    def ubjson(self) -> bytes:
        """The booster of all rounds so far, of which there is one at least, as
        XGBoost's UBJSON.
        """
        _put_trees(self._model, self._trees)
        return dumps(self._model)

    def booster(self) -> xgboost.Booster:
        """The same as a booster."""
        return xgboost.Booster(model_file=bytearray(self.ubjson()))


def with_gates(booster: xgboost.Booster, schedule: Schedule) -> xgboost.Booster:
    """The same trees behind the gates of the schedule."""
    model = _model(booster)
    trees, per_round = _trees(model), _trees_a_round(model)
    for place, tree in enumerate(trees):
        gate = schedule.gate(place // per_round)
        if gate is not None:
            _put_gate(tree, gate)
    return _booster(model)


def compact(booster: xgboost.Booster) -> xgboost.Booster:
    """The same trees in numbers that pack well: leaves are rounded to `LEAF_STEP`, what
    explains a tree to two digits.

    Gains and covers keep 7 binary digits; weights of nodes, which nothing that XGBoost
    offers reads once a tree is grown, become 0.
    """
    model = _model(booster)
    for tree in _trees(model):
        values, is_leaf = tree["split_conditions"], tree["left_children"] < 0
        rounded = np.round(values.astype(np.float64) / LEAF_STEP) * LEAF_STEP
        tree["split_conditions"] = np.where(is_leaf, rounded, values).astype(
            values.dtype
        )
        tree["base_weights"] = np.zeros_like(tree["base_weights"])
        for name in ("loss_changes", "sum_hessian"):
            mantissa, exponent = np.frexp(tree[name].astype(np.float64))
            tree[name] = np.ldexp(np.round(mantissa * 128) / 128, exponent).astype(
                values.dtype
            )
    return _booster(model)


def averaged(boosters: Sequence[xgboost.Booster], n_before: int = 0) -> xgboost.Booster:
    """One booster whose margins are the mean of all; the first ``n_before`` rounds,
    which all share, come once.
    """
    if len(boosters) == 1:
        return boosters[0]
    models = [_model(booster) for booster in boosters]
    whole, shared = models[0], n_before * _trees_a_round(models[0])
    trees = [tree for model in models for tree in _trees(model)[shared:]]
    for tree in trees:
        _divide_leaves(tree, len(models))
    trees = [*_trees(whole)[:shared], *trees]
    for place, tree in enumerate(trees):
        tree["id"] = place
    _put_trees(whole, trees)
    return _booster(whole)


def _divide_leaves(tree: dict[str, Any], by: int) -> None:
    values = tree["split_conditions"]
    tree["split_conditions"] = np.where(
        tree["left_children"] < 0, values / by, values
    ).astype(values.dtype)


def _put_trees(model: dict[str, Any], trees: Sequence[Any]) -> None:
    forest, per_round = _forest(model), _trees_a_round(model)
    forest["trees"] = list(trees)
    forest["tree_info"] = [place % per_round for place in range(len(trees))]
    forest["iteration_indptr"] = list(range(0, len(trees) + 1, per_round))
    forest["gbtree_model_param"]["num_trees"] = str(len(trees))


def _put_gate(tree: dict[str, Any], column: int) -> None:
    """A new root, which sends a row where the column is missing to a leaf of 0, and any
    other on to the old root.

    The leaf stands right before the old root: XGBoost's contributions take the right
        child to be the node after the
    left one.
    """
    n_nodes, (root, leaf, old) = int(tree["tree_param"]["num_nodes"]), range(3)
    for name in ("left_children", "right_children", "parents"):
        nodes = tree[name]
        tree[name] = np.where(
            (nodes < 0) | (nodes == _NO_PARENT), nodes, nodes + old
        ).astype(nodes.dtype)
    for name, values in tree.items():
        if isinstance(values, np.ndarray) and len(values) == n_nodes:
            tree[name] = np.concatenate(
                [np.zeros(old, values.dtype), values], dtype=values.dtype
            )
    tree["parents"][:3] = _NO_PARENT, root, root
    tree["left_children"][:2], tree["right_children"][:2] = (leaf, -1), (old, -1)
    # A gate's column is 1 where it isn't missing.
    (
        tree["split_indices"][root],
        tree["split_conditions"][root],
        tree["default_left"][root],
    ) = column, 0.5, 1
    tree["sum_hessian"][:2] = tree["sum_hessian"][old] + _GATED_WEIGHT, _GATED_WEIGHT
    tree["tree_param"]["num_nodes"] = str(n_nodes + old)


def _model(booster: xgboost.Booster) -> dict[str, Any]:
    model: dict[str, Any] = loads(bytes(booster.save_raw("ubj")))
    return model


def _forest(model: dict[str, Any]) -> dict[str, Any]:
    forest: dict[str, Any] = model["learner"]["gradient_booster"]["model"]
    return forest


def _trees(model: dict[str, Any]) -> list[dict[str, Any]]:
    trees: list[dict[str, Any]] = _forest(model)["trees"]
    return trees


def _trees_a_round(model: dict[str, Any]) -> int:
    return max(1, int(model["learner"]["learner_model_param"]["num_class"]))


def _booster(model: dict[str, Any]) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(dumps(model)))
