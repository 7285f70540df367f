"""XGBoost's matrix filled from blocks: the same trees as from one matrix, and missing
values where they were in training.
"""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from movielens.features import FeatureMatrix, FeatureSpec
from movielens.tables import MovieTable, RatingTable
from train.blocks import KEPT_VALUES, FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.quantised_matrix import MISSING, quantised_matrix


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


def test_labels_and_names_belong_to_the_rows(
    small_spec: FeatureSpec, ratings: RatingTable
) -> None:
    blocks = fitted(small_spec, ratings)
    matrix = quantised_matrix(blocks, ratings.rating, max_bin=16)
    rows = np.concatenate([rows for rows, _ in blocks.make()])
    assert matrix.feature_names == list(small_spec.names)
    np.testing.assert_array_equal(matrix.get_label(), ratings.rating[rows])


def test_a_host_without_rows_has_an_empty_matrix(
    small_spec: FeatureSpec, ratings: RatingTable
) -> None:
    nothing = fitted(small_spec, ratings).among(np.arange(0))
    some = quantised_matrix(fitted(small_spec, ratings), ratings.rating, max_bin=16)
    matrix = quantised_matrix(nothing, ratings.rating, max_bin=16, bins_of=some)
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


@pytest.mark.parametrize("early_stopping_rounds", [0, 3])
@pytest.mark.parametrize("kept_values", [0, KEPT_VALUES])
def test_missing_values_go_where_they_went_in_training(
    small_spec: FeatureSpec,
    ratings: RatingTable,
    kept_values: int,
    early_stopping_rounds: int,
) -> None:
    blocks = fitted(small_spec, ratings, kept_values)
    assert blocks.are_kept == bool(kept_values)
    booster: xgboost.Booster = fit_boosters(
        blocks, ratings.rating, small_spec.scale, context(early_stopping_rounds)
    ).classes
    values = small_spec.transform(hide(ratings.queries(), 0.3, 5)).values
    assert np.isnan(values).any()
    replaced = np.where(np.isnan(values), MISSING, values)
    np.testing.assert_array_equal(
        booster.inplace_predict(values), booster.inplace_predict(replaced)
    )
