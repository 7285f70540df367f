"""Bins: values go where XGBoost puts them, and trees get the values back."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from movielens.features import Column, FeatureMatrix, Part
from train.bins import BinnedBlocks, Cuts
from train.blocks import FeatureBlocks

N_ROWS = 2_000
NAMES = ("normal", "few", "constant", "missing", "heavy", "negative")
COLUMNS = tuple(Column(name, Part.MOVIE) for name in NAMES)
PARAMS = {"objective": "reg:squarederror", "max_depth": 6, "nthread": 1}


@pytest.fixture(scope="module")
def features() -> FeatureMatrix:
    rng = np.random.default_rng(7)
    normal = rng.normal(size=N_ROWS)
    few = rng.integers(0, 3, N_ROWS)
    constant = np.full(N_ROWS, 5.0)
    missing = np.where(rng.random(N_ROWS) < 0.3, np.nan, rng.normal(size=N_ROWS))
    heavy = rng.standard_cauchy(N_ROWS)
    negative = -rng.random(N_ROWS) - 3
    columns = (normal, few, constant, missing, heavy, negative)
    return FeatureMatrix(np.stack(columns, axis=1).astype(np.float32), COLUMNS)


def without_missing(features: FeatureMatrix) -> NDArray[np.float32]:
    return np.fmax(features.values, np.float32(-3e38))


@pytest.mark.parametrize("max_bin", [2, 16, 256, 300])
def test_values_are_in_the_bins_of_xgboost(
    features: FeatureMatrix, max_bin: int
) -> None:
    cuts = Cuts.of(features, max_bin)
    bins = cuts.bins(features)
    assert bins.dtype == (np.uint8 if max_bin <= 256 else np.uint16)
    assert bins.shape == (len(NAMES), N_ROWS)

    # XGBoost gives each value of a quantised matrix as the lower end of its bin, or, in
    # the lowest bin, as anything in it.
    values = without_missing(features)
    matrix = xgboost.QuantileDMatrix(values, max_bin=max_bin)
    given = matrix.get_data().toarray().T
    place = cuts.start[:-1, np.newaxis] + bins
    is_lowest = bins == 0
    upper_end = cuts.value[place + 1]
    np.testing.assert_array_less(given[is_lowest], upper_end[is_lowest])
    lower_end = cuts.value[place]
    np.testing.assert_array_equal(given[~is_lowest], lower_end[~is_lowest])


def test_rows_beyond_the_sample_are_in_the_outer_bins(features: FeatureMatrix) -> None:
    cuts = Cuts.of(features, 16)
    far = np.full((1, len(NAMES)), 1e30, dtype=np.float32)
    highest = cuts.bins(FeatureMatrix(far, COLUMNS))[:, 0]
    lowest = cuts.bins(FeatureMatrix(-far, COLUMNS))[:, 0]
    np.testing.assert_array_equal(highest, cuts.n_bins - 1)
    is_complete = np.array(NAMES) != "missing"
    np.testing.assert_array_equal(lowest[is_complete], 0)


@pytest.mark.parametrize("max_bin", [4, 64, 300])
def test_trees_of_bins_with_their_thresholds_are_the_trees_of_the_values(
    features: FeatureMatrix, max_bin: int
) -> None:
    label = np.nansum(features.values[:, [0, 3]], axis=1)
    params = {**PARAMS, "max_bin": max_bin}
    cuts = Cuts.of(features, max_bin)
    bins = cuts.bins(features).T.astype(np.float32)

    def tree(values: NDArray[np.float32]) -> list[NDArray[np.generic]]:
        matrix = xgboost.QuantileDMatrix(values, label, max_bin=max_bin)
        frame = xgboost.train(params, matrix, 1).trees_to_dataframe()
        splits = frame[frame["Feature"] != "Leaf"]
        position = splits["Feature"].str[1:].astype(np.int64).to_numpy()
        split = splits["Split"].to_numpy(dtype=np.float32)
        return [position, split, frame["Gain"].to_numpy(dtype=np.float32)]

    position, split, gain = tree(bins)
    expected_position, expected_split, expected_gain = tree(without_missing(features))
    np.testing.assert_array_equal(position, expected_position)
    np.testing.assert_array_equal(gain, expected_gain)
    thresholds = cuts.thresholds(position.astype(np.int64), split.astype(np.float32))
    np.testing.assert_array_equal(thresholds, expected_split)


def test_splits_beyond_all_bins_get_the_outer_ends(features: FeatureMatrix) -> None:
    cuts = Cuts.of(features, 16)
    feature = np.arange(len(NAMES))
    below = np.full(len(NAMES), -1e-5, dtype=np.float32)
    above = 2 * cuts.n_bins.astype(np.float32)
    np.testing.assert_array_equal(
        cuts.thresholds(feature, below), cuts.value[cuts.start[:-1]]
    )
    np.testing.assert_array_equal(
        cuts.thresholds(feature, above), cuts.value[cuts.start[1:] - 1]
    )


def test_rows_keep_their_positions(features: FeatureMatrix) -> None:
    rows = np.arange(10, N_ROWS, 3)
    cuts = Cuts.of(features, 16)
    binned = BinnedBlocks.of(FeatureBlocks.of(features).among(rows), cuts)
    [(positions, bins)] = binned.blocks
    np.testing.assert_array_equal(positions, rows)
    np.testing.assert_array_equal(bins, cuts.bins(features)[:, rows])


def test_no_rows_are_one_empty_block(features: FeatureMatrix) -> None:
    cuts = Cuts.of(features, 16)
    nothing = FeatureBlocks.of(features).among(np.arange(0))
    [(positions, bins)] = BinnedBlocks.of(nothing, cuts).blocks
    assert len(positions) == 0
    assert bins.shape == (len(NAMES), 0)
