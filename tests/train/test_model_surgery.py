"""Trees changed after training: rounds joined into one booster, numbers rounded."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from movielens.features import Column, FeatureMatrix, Part
from train.axes import Axes
from train.bins import Cuts
from train.model_surgery import LEAF_STEP, Chain, GrowingBooster, joined, start_of
from train.schedule import Gate

PARAMS = {
    "objective": "multi:softprob",
    "num_class": 3,
    "max_depth": 3,
    "nthread": 1,
    "seed": 2,
}
NAMES = ("a", "b", "c", "d")
# Each round looks at two columns.
COLUMNS = (np.array([0, 2]), np.array([1, 3]), np.array([0, 3]))
# The rounds with these numbers go along axes.
ALONG_AXES = (1,)
AXES = Axes(np.array([[-0.7, 0.1, 0.6], [0.5, -0.8, 0.3]], dtype=np.float32))

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def values() -> Floats:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, len(NAMES))).astype(np.float32)
    values[::7, 3] = np.nan
    return values


@pytest.fixture(scope="module")
def grown(values: Floats) -> tuple[GrowingBooster, Floats]:
    """A booster grown round by round, and the margins that the rounds reached."""
    is_positive = np.nansum(values, axis=1) > 0
    label = is_positive.astype(np.int64) + (values[:, 0] > 1)
    features = FeatureMatrix(values, tuple(Column(name, Part.USER) for name in NAMES))
    cuts = Cuts.of(features, max_bin=256)
    bins = cuts.bins(features).T
    growing = GrowingBooster(NAMES)
    margins: list[Floats] = []
    for n_round, columns in enumerate(COLUMNS):
        matrix = xgboost.QuantileDMatrix(bins[:, columns], label=label)
        if n_round in ALONG_AXES:
            booster = grown_along_axes(matrix, margins[-1], label)
            steps = booster.predict(matrix, output_margin=True)
            margins.append(AXES.moved(margins[-1], steps))
            growing.add(booster, columns, cuts, AXES)
            continue
        if margins:
            matrix.set_info(base_margin=margins[-1])
        booster = xgboost.Booster(PARAMS, [matrix])
        booster.update(matrix, 0)
        margins.append(booster.predict(matrix, output_margin=True))
        growing.add(booster, columns, cuts)
    return growing, margins[-1]


def grown_along_axes(
    matrix: xgboost.DMatrix, margins: Floats, label: NDArray[np.int64]
) -> xgboost.Booster:
    gradient, hessian = AXES.derivatives(margins, label)
    matrix.set_info(base_margin=np.zeros_like(gradient))
    booster = xgboost.Booster({**PARAMS, "num_class": len(AXES)}, [matrix])
    booster.boost(matrix, iteration=0, grad=gradient, hess=hessian)
    return booster


@pytest.fixture(scope="module")
def booster(grown: tuple[GrowingBooster, Floats]) -> xgboost.Booster:
    growing, _ = grown
    return growing.booster()


def ubjson_of(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


def margins_of(booster: xgboost.Booster, values: Floats) -> Floats:
    margins: Floats = booster.inplace_predict(values, predict_type="margin")
    return margins


def test_grown_rounds_reach_exactly_the_same_margins(
    grown: tuple[GrowingBooster, Floats], booster: xgboost.Booster, values: Floats
) -> None:
    growing, margins = grown
    assert growing.n_rounds == len(COLUMNS)
    assert booster.num_boosted_rounds() == len(COLUMNS)
    assert booster.num_features() == len(NAMES)
    assert booster.feature_names == list(NAMES)
    np.testing.assert_array_equal(margins_of(booster, values), margins)


def test_growing_goes_on_from_a_saved_booster(booster: xgboost.Booster) -> None:
    saved = bytes(booster.save_raw("ubj"))
    again = GrowingBooster(NAMES, saved)
    assert again.n_rounds == len(COLUMNS)
    assert bytes(again.booster().save_raw("ubj")) == saved


def test_the_trees_of_an_axis_differ_in_their_leaves_alone(
    booster: xgboost.Booster,
) -> None:
    [n_round] = ALONG_AXES
    dumps = booster[n_round : n_round + 1].get_dump()
    assert len(dumps) == AXES.shares.size
    splits = [re.sub("leaf=.*", "leaf", dump) for dump in dumps]
    for first in (0, 3):
        assert len(set(dumps[first : first + 3])) == 3
        assert len(set(splits[first : first + 3])) == 1
    assert splits[0] != splits[3]


def total_gain(booster: xgboost.Booster) -> float:
    nodes = booster.trees_to_dataframe()
    return float(nodes[nodes.Feature != "Leaf"].Gain.sum())


def test_the_gain_of_a_tree_of_an_axis_is_divided_among_the_classes(
    grown: tuple[GrowingBooster, Floats], values: Floats
) -> None:
    growing, margins = grown
    columns = COLUMNS[0]
    bins = np.argsort(np.argsort(values[:, columns], axis=0), axis=0) // 50
    label = (bins.sum(axis=1) > 6).astype(np.int64)
    matrix = xgboost.QuantileDMatrix(bins, label=label)
    along = grown_along_axes(matrix, margins, label)

    features = FeatureMatrix(values, tuple(Column(name, Part.USER) for name in NAMES))
    again = GrowingBooster(NAMES, growing.ubjson())
    again.add(along, columns, Cuts.of(features, max_bin=8), AXES)
    added = again.booster()[len(COLUMNS) :]
    assert total_gain(added) == pytest.approx(total_gain(along), rel=1e-5)


def finished(booster: xgboost.Booster) -> xgboost.Booster:
    return joined([Chain([ubjson_of(booster)])])


def test_rounded_trees_give_nearly_the_same_margins(
    booster: xgboost.Booster, values: Floats
) -> None:
    before = margins_of(booster, values)
    after = margins_of(finished(booster), values)
    largest_error = np.abs(after - before).max()
    assert largest_error > 0
    n_trees_a_class = len(booster.get_dump()) // len(AXES.shares[0])
    assert largest_error <= n_trees_a_class * LEAF_STEP


def test_contributions_of_rounded_trees_add_up_to_the_margins(
    booster: xgboost.Booster, values: Floats
) -> None:
    rounded = joined([Chain([ubjson_of(booster)], [Gate(1, 0.5), Gate(2, -0.5)])])
    matrix = xgboost.DMatrix(values, feature_names=list(NAMES))
    contributions = rounded.predict(matrix, pred_contribs=True)
    margins = rounded.predict(matrix, output_margin=True)
    np.testing.assert_allclose(contributions.sum(axis=2), margins, atol=1e-5)


@pytest.mark.parametrize("importance", ["gain", "cover"])
def test_rounded_trees_keep_their_importances(
    booster: xgboost.Booster, importance: str
) -> None:
    before = booster.get_score(importance_type=importance)
    after = finished(booster).get_score(importance_type=importance)
    assert after == pytest.approx(before, rel=1 / 128)


def test_rounding_again_changes_nothing(booster: xgboost.Booster) -> None:
    once = finished(booster)
    assert finished(once).save_raw("ubj") == once.save_raw("ubj")


def test_the_mean_of_equal_boosters_has_their_margins(
    booster: xgboost.Booster, values: Floats
) -> None:
    mean = joined([Chain(2 * [ubjson_of(booster)])])
    assert mean.num_boosted_rounds() == 2 * len(COLUMNS)
    np.testing.assert_allclose(
        margins_of(mean, values), margins_of(booster, values), atol=1e-4
    )


def test_rounds_that_seeds_have_in_common_come_once(
    booster: xgboost.Booster, values: Floats
) -> None:
    mean = joined([Chain(2 * [ubjson_of(booster)], n_before=1)])
    assert mean.num_boosted_rounds() == 1 + 2 * (len(COLUMNS) - 1)
    np.testing.assert_allclose(
        margins_of(mean, values), margins_of(booster, values), atol=1e-4
    )


def test_each_row_gets_the_margins_of_the_chain_whose_gates_it_passes(
    booster: xgboost.Booster, values: Floats
) -> None:
    """Column 0 lets rows into the first chain, column 1 into the second."""
    first, second = booster[:2], booster[2:]
    chains = [
        Chain([ubjson_of(first)], [Gate(0, 0.25)]),
        Chain([ubjson_of(second)], [Gate(1, 0.5)]),
    ]
    whole = joined(chains)
    start = bytearray(start_of(ubjson_of(first)))
    nothing = margins_of(xgboost.Booster(model_file=start), values)
    expected = nothing.copy()
    for chain, passes in (
        (first, values[:, 0] >= 0.25),
        (second, values[:, 1] >= 0.5),
    ):
        expected += np.where(passes[:, None], margins_of(chain, values) - nothing, 0)
    assert whole.num_boosted_rounds() == len(COLUMNS)
    np.testing.assert_allclose(margins_of(whole, values), expected, atol=1e-4)


def test_rounds_of_before_stay_outside_of_the_gates(
    booster: xgboost.Booster, values: Floats
) -> None:
    never = Gate(0, 1e9)
    whole = joined([Chain([ubjson_of(booster)], [never], n_before=2)])
    np.testing.assert_allclose(
        margins_of(whole, values), margins_of(booster[:2], values), atol=1e-4
    )
