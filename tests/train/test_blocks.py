"""Features that reach XGBoost in blocks: the same model, whether they are kept or made
again, and stops among them.
"""

from __future__ import annotations

import numpy as np
import pytest

import train.blocks
from movielens.features import FeatureMatrix, FeatureSpec
from movielens.model import Model
from movielens.tables import MovieTable, RatingTable
from train.blocks import KEPT_VALUES, MISSING, FeatureBlocks, predict
from train.booster import fit_booster
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.stop import StoppedError, StopSignal

SETTINGS = Hyperparameters(num_round=6, max_depth=3, min_child_weight=1, nthread=1)
GROUPS = ("statistics", "clock")


@pytest.fixture(scope="module")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies, GROUPS)


def blocks_of(spec: FeatureSpec, ratings: RatingTable) -> FeatureBlocks:
    return FeatureBlocks.fitted(
        spec, ratings, hide(ratings.queries(), 0.2, 3), StopSignal()
    )


def test_blocks_hold_each_row_once(spec: FeatureSpec, ratings: RatingTable) -> None:
    queries = hide(ratings.queries(), 0.2, 3)
    whole = spec.transform_fitted(ratings, queries).values
    for _ in range(2):
        blocks = FeatureBlocks.fitted(
            spec, ratings, queries, StopSignal(), block_rows=7
        )
        rows, parts = zip(*blocks.make(), strict=True)
        assert max(map(len, rows)) == 7
        assert sorted(np.concatenate(rows)) == list(range(len(ratings)))
        assert np.array_equal(
            np.concatenate([part.values for part in parts]),
            whole[np.concatenate(rows)],
            True,
        )


def test_a_part_has_its_rows_alone(spec: FeatureSpec, ratings: RatingTable) -> None:
    chosen = np.arange(5, 300, 3)
    rows = np.concatenate(
        [rows for rows, _ in blocks_of(spec, ratings).among(chosen).make()]
    )
    assert sorted(rows) == chosen.tolist()


def test_blocks_together_are_in_the_order_of_the_rows(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    whole = spec.transform_fitted(ratings, hide(ratings.queries(), 0.2, 3)).values
    chosen = np.arange(5, 300, 3)
    some = blocks_of(spec, ratings).among(chosen)
    ((rows, block),) = some.together().make()
    assert rows.tolist() == some.rows().tolist() == chosen.tolist()
    np.testing.assert_array_equal(block.values, whole[chosen])
    ((rows, block),) = some.among(np.arange(5)).together().make()
    assert len(rows) == len(block) == 0


def test_kept_blocks_and_one_matrix_give_the_same_trees(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    classes = spec.scale.to_class(ratings.rating)
    kept = list(blocks_of(spec, ratings).make())
    order = np.concatenate([rows for rows, _ in kept])
    matrix = FeatureMatrix(
        np.concatenate([block.values for _, block in kept]), spec.columns
    )
    n_classes = len(spec.scale.class_values)
    first = fit_booster(
        blocks_of(spec, ratings), classes, n_classes, SETTINGS, StopSignal()
    )
    second = fit_booster(
        FeatureBlocks.of(matrix), classes[order], n_classes, SETTINGS, StopSignal()
    )
    assert first.save_raw() == second.save_raw()


@pytest.mark.parametrize("early_stopping_rounds", [0, 3])
@pytest.mark.parametrize("kept_values", [0, KEPT_VALUES])
def test_a_booster_takes_what_is_missing_as_it_was_trained(
    spec: FeatureSpec,
    ratings: RatingTable,
    monkeypatch: pytest.MonkeyPatch,
    kept_values: int,
    early_stopping_rounds: int,
) -> None:
    monkeypatch.setattr(train.blocks, "KEPT_VALUES", kept_values)
    blocks = blocks_of(spec, ratings)
    assert blocks.are_kept == bool(kept_values)
    settings = Hyperparameters(
        num_round=6,
        max_depth=4,
        min_child_weight=1,
        nthread=1,
        early_stopping_rounds=early_stopping_rounds,
    )
    classes = spec.scale.to_class(ratings.rating)
    booster = fit_booster(
        blocks, classes, len(spec.scale.class_values), settings, StopSignal()
    )
    values = spec.transform(hide(ratings.queries(), 0.3, 5)).values
    assert np.isnan(values).any()
    told = booster.inplace_predict(np.where(np.isnan(values), MISSING, values))
    assert np.array_equal(booster.inplace_predict(values), told)


def test_predictions_do_not_depend_on_blocks(
    spec: FeatureSpec, ratings: RatingTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes, n_classes = (
        spec.scale.to_class(ratings.rating),
        len(spec.scale.class_values),
    )
    model = Model(
        spec,
        fit_booster(
            blocks_of(spec, ratings), classes, n_classes, SETTINGS, StopSignal()
        ),
    )
    whole = model.predict(ratings.queries())
    monkeypatch.setattr(train.blocks, "PREDICTED_ROWS", 9)
    parts = predict(model, ratings)
    assert np.array_equal(parts.probabilities, whole.probabilities)
    assert np.array_equal(parts.expected_rating, whole.expected_rating)
    assert predict(model, ratings.take(np.empty(0, dtype=np.int64))).n_rows == 0


def test_a_stop_among_the_features_without_a_round_leaves_nothing(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    stop = StopSignal(requested=True)
    blocks = FeatureBlocks.fitted(spec, ratings, ratings.queries(), stop)
    with pytest.raises(StoppedError, match="before the features were done"):
        fit_booster(
            blocks,
            spec.scale.to_class(ratings.rating),
            len(spec.scale.class_values),
            SETTINGS,
            stop,
        )
