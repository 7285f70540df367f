"""XGBoost's matrix filled from blocks: the same trees as from one matrix, and missing
values where they were in training.
"""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from movielens.features import FeatureMatrix, FeatureSpec
from movielens.tables import MovieTable, RatingTable
from train.bins import BinnedBlocks, Cuts
from train.blocks import KEPT_VALUES, FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.quantised_matrix import quantised_matrix


def context(early_stopping_rounds: int = 0) -> TrainingContext:
    return TrainingContext(
        Hyperparameters(
            num_round=6,
            max_depth=4,
            min_child_weight=1,
            nthread=1,
            early_stopping_rounds=early_stopping_rounds,
        )
    )


@pytest.fixture(scope="module")
def small_spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies, ("statistics", "clock"))


def fitted(
    spec: FeatureSpec, ratings: RatingTable, kept_values: int = KEPT_VALUES
) -> FeatureBlocks:
    queries = hide(ratings.queries(), 0.2, 3)
    return FeatureBlocks.fitted(spec, ratings, queries, context(), kept_values)


@pytest.fixture(scope="module")
def cuts(small_spec: FeatureSpec, ratings: RatingTable) -> Cuts:
    [(_, features)] = fitted(small_spec, ratings).together().make()
    return Cuts.of(features, max_bin=16)


def test_labels_and_names_belong_to_the_rows(
    small_spec: FeatureSpec, ratings: RatingTable, cuts: Cuts
) -> None:
    blocks = fitted(small_spec, ratings)
    binned = BinnedBlocks.of(blocks, cuts)
    columns = np.arange(1, 5)
    matrix = quantised_matrix(binned, columns, ratings.rating, max_bin=16)
    rows = np.concatenate([rows for rows, _ in blocks.make()])
    assert matrix.feature_names == list(small_spec.names[1:5])
    np.testing.assert_array_equal(matrix.get_label(), ratings.rating[rows])


def test_each_value_is_the_number_of_its_bin(
    small_spec: FeatureSpec, ratings: RatingTable, cuts: Cuts
) -> None:
    binned = BinnedBlocks.of(fitted(small_spec, ratings), cuts)
    columns = np.arange(len(small_spec.names))
    matrix = quantised_matrix(binned, columns, ratings.rating, max_bin=16)
    # XGBoost gives values in the lowest bin as anything in it.
    given = matrix.get_data().toarray().T
    bins = np.concatenate([bins for _, bins in binned.blocks], axis=1)
    is_lowest = bins == 0
    np.testing.assert_array_less(given[is_lowest], 1)
    np.testing.assert_array_equal(given[~is_lowest], bins[~is_lowest])


def test_a_host_without_rows_has_an_empty_matrix(
    small_spec: FeatureSpec, ratings: RatingTable, cuts: Cuts
) -> None:
    nothing = fitted(small_spec, ratings).among(np.arange(0))
    binned = BinnedBlocks.of(nothing, cuts)
    columns = np.arange(len(small_spec.names))
    matrix = quantised_matrix(binned, columns, ratings.rating, max_bin=16)
    assert matrix.num_row() == 0
    assert matrix.num_col() == len(small_spec.names)


def test_blocks_and_one_matrix_give_the_same_trees(
    small_spec: FeatureSpec, ratings: RatingTable
) -> None:
    blocks = fitted(small_spec, ratings)
    made = list(blocks.make())
    rows = np.concatenate([rows for rows, _ in made])
    values = np.concatenate([features.values for _, features in made])
    one_matrix = FeatureBlocks.of(FeatureMatrix(values, small_spec.columns))

    scale = small_spec.scale
    of_blocks = fit_boosters(blocks, ratings.rating, scale, context())
    of_one = fit_boosters(one_matrix, ratings.rating[rows], scale, context())
    assert of_blocks.classes.save_raw() == of_one.classes.save_raw()


def test_features_that_are_made_again_give_the_same_trees(
    small_spec: FeatureSpec, ratings: RatingTable
) -> None:
    made_again = fitted(small_spec, ratings, kept_values=0)
    kept = fitted(small_spec, ratings)
    assert not made_again.are_kept
    assert kept.are_kept

    scale = small_spec.scale
    of_both = [
        fit_boosters(blocks, ratings.rating, scale, context()).classes.save_raw()
        for blocks in (made_again, kept)
    ]
    assert of_both[0] == of_both[1]


@pytest.mark.parametrize("early_stopping_rounds", [0, 3])
def test_missing_values_go_where_they_went_in_training(
    small_spec: FeatureSpec, ratings: RatingTable, early_stopping_rounds: int
) -> None:
    booster: xgboost.Booster = fit_boosters(
        fitted(small_spec, ratings),
        ratings.rating,
        small_spec.scale,
        context(early_stopping_rounds),
    ).classes
    values = small_spec.transform(hide(ratings.queries(), 0.3, 5)).values
    assert np.isnan(values).any()
    lowest = np.float32(-3e38)
    replaced = np.where(np.isnan(values), lowest, values)
    np.testing.assert_array_equal(
        booster.inplace_predict(values), booster.inplace_predict(replaced)
    )
