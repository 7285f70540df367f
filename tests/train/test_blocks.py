"""Features in blocks: the same values whether they are kept or made again, and on one
host or on several.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.features import FeatureMatrix, FeatureSpec
from movielens.features.workers import Workers
from movielens.tables import MovieTable, RatingTable
from train.blocks import (
    FOLD_BYTES_A_ROW,
    FeatureBlocks,
    bytes_in_use,
    folds_at_once,
    host_of,
)
from train.context import TrainingContext
from train.hiding import hide
from train.hyperparameters import Hyperparameters
from train.stages import Stages
from train.stop import StoppedError, StopSignal

CONTEXT = TrainingContext(Hyperparameters())
CHOSEN = np.arange(5, 300, 3)


@pytest.fixture(scope="module")
def small_spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies, ("statistics", "clock"))


@pytest.fixture(scope="module")
def blocks(small_spec: FeatureSpec, ratings: RatingTable) -> FeatureBlocks:
    queries = hide(ratings.queries(), 0.2, 3)
    return FeatureBlocks.fitted(small_spec, ratings, queries, CONTEXT)


@pytest.fixture(scope="module")
def whole(small_spec: FeatureSpec, ratings: RatingTable) -> FeatureMatrix:
    """The same features as one matrix."""
    return small_spec.transform_fitted(ratings, hide(ratings.queries(), 0.2, 3))


def test_each_row_is_in_one_block(blocks: FeatureBlocks, whole: FeatureMatrix) -> None:
    for _ in range(2):
        made = list(blocks.make())
        assert len(made) > 1
        rows = np.concatenate([rows for rows, _ in made])
        values = np.concatenate([features.values for _, features in made])
        assert sorted(rows) == list(range(len(whole)))
        np.testing.assert_array_equal(values, whole.values[rows])


@pytest.mark.parametrize(("kept_values", "are_kept"), [(0, False), (10**6, True)])
def test_features_that_are_not_kept_are_made_again(
    small_spec: FeatureSpec,
    ratings: RatingTable,
    kept_values: int,
    are_kept: bool,
) -> None:
    blocks = FeatureBlocks.fitted(
        small_spec, ratings, ratings.queries(), CONTEXT, kept_values
    )
    assert blocks.are_kept == are_kept
    _, first = next(blocks.make())
    _, again = next(blocks.make())
    assert (first.values is again.values) == are_kept
    np.testing.assert_array_equal(first.values, again.values)


def test_some_rows_keep_their_positions(
    blocks: FeatureBlocks, whole: FeatureMatrix
) -> None:
    made = list(blocks.among(CHOSEN).make())
    rows = np.concatenate([rows for rows, _ in made])
    values = np.concatenate([features.values for _, features in made])
    assert sorted(rows) == CHOSEN.tolist()
    np.testing.assert_array_equal(values, whole.values[rows])


def test_blocks_together_are_in_the_order_of_the_rows(
    blocks: FeatureBlocks, whole: FeatureMatrix
) -> None:
    some = blocks.among(CHOSEN)
    (block,) = some.together().make()
    rows, features = block
    assert rows.tolist() == CHOSEN.tolist()
    assert some.rows().tolist() == CHOSEN.tolist()
    np.testing.assert_array_equal(features.values, whole.values[CHOSEN])


def test_blocks_without_rows_are_one_empty_block_together(
    blocks: FeatureBlocks,
) -> None:
    none = blocks.among(np.arange(0))
    (block,) = none.together().make()
    rows, features = block
    assert len(rows) == 0
    assert len(features) == 0
    assert features.columns == blocks.columns


def test_a_stop_ends_the_making_of_features(
    small_spec: FeatureSpec, ratings: RatingTable
) -> None:
    context = TrainingContext(Hyperparameters(), StopSignal(requested=True))
    blocks = FeatureBlocks.fitted(small_spec, ratings, ratings.queries(), context)
    with pytest.raises(StoppedError, match="before the features were done"):
        next(blocks.make())


@pytest.mark.parametrize(
    ("fold_sizes", "expected"), [(0, 1), (1, 1), (2, 1), (3, 2), (5, 4), (100, 4)]
)
def test_as_many_folds_are_fitted_at_once_as_fit_into_memory(
    fold_sizes: int, expected: int
) -> None:
    """One is in memory while its features are made, besides those being fitted."""
    n_rows = 1000
    in_use = 10**6
    left = fold_sizes * n_rows * FOLD_BYTES_A_ROW
    memory = int((in_use + left) / 0.75) + 1
    assert folds_at_once(4, n_rows, memory, in_use) == expected


def test_memory_in_use_grows_with_what_is_made() -> None:
    before = bytes_in_use()
    held = np.ones(10**7)
    assert bytes_in_use() - before > 0.9 * held.nbytes


def test_features_do_not_depend_on_the_threads(
    blocks: FeatureBlocks, small_spec: FeatureSpec, ratings: RatingTable
) -> None:
    stages = Stages()
    with Workers(3) as workers:
        context = replace(CONTEXT, workers=workers, stages=stages)
        queries = hide(ratings.queries(), 0.2, 3)
        shared = FeatureBlocks.fitted(small_spec, ratings, queries, context)
        made = list(shared.make())
    for (rows, features), (same_rows, same_features) in zip(
        made, blocks.make(), strict=True
    ):
        np.testing.assert_array_equal(rows, same_rows)
        np.testing.assert_array_equal(features.values, same_features.values)
    assert [cost.name for cost in stages.costs()] == ["features out of fold"]


@pytest.mark.parametrize("n_hosts", [1, 2, 3, 8, 11])
def test_every_row_has_one_host(ratings: RatingTable, n_hosts: int) -> None:
    hosts = host_of(ratings, n_hosts)
    assert hosts.min() >= 0
    assert hosts.max() < n_hosts
    n_rows = np.bincount(hosts, minlength=n_hosts)
    assert n_rows.max() < 3 * len(ratings) / min(n_hosts, 8)
