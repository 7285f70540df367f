"""Which trees answer what: each part of the rounds against what its features really
depend on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.parts import Column, Part
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from train.blocks import FeatureBlocks
from train.booster import fit_booster
from train.hyperparameters import Hyperparameters
from train.model_surgery import LEAF_STEP
from train.schedule import Schedule
from train.stop import StopSignal

SETTINGS = Hyperparameters(
    num_round=10,
    movie_rounds=0.3,
    user_rounds=0.3,
    max_depth=3,
    min_child_weight=1,
    nthread=1,
    seed=5,
)


@pytest.fixture(scope="module")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies)


def without_time(queries: RatingQueries) -> RatingQueries:
    return RatingQueries(
        queries.user_id, queries.movie_id, np.full(len(queries), np.nan)
    )


def without_user(queries: RatingQueries) -> RatingQueries:
    return RatingQueries(
        np.full_like(queries.user_id, 10**9), queries.movie_id, queries.timestamp
    )


def test_no_part_depends_on_what_its_rows_may_lack(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    whole = spec.transform(queries).values
    of_movie, untimed = (
        spec.transform(q).values
        for q in (without_time(without_user(queries)), without_time(queries))
    )
    for column, (name, part) in enumerate(spec.columns):
        if part is Part.MOVIE:
            np.testing.assert_array_equal(of_movie[:, column], whole[:, column], name)
        if part is not Part.MOMENT and not name.startswith("knows_"):
            np.testing.assert_array_equal(untimed[:, column], whole[:, column], name)


def test_every_part_has_features_and_every_feature_that_needs_no_more_is_in_it(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    whole, untimed = (
        spec.transform(queries).values,
        spec.transform(without_time(queries)).values,
    )
    for column, (name, part) in enumerate(spec.columns):
        if part is Part.MOMENT:
            assert not np.array_equal(
                whole[:, column], untimed[:, column], equal_nan=True
            ), name
    assert {column.part for column in spec.columns} == set(Part)


def test_a_schedule_goes_from_the_movie_to_the_moment() -> None:
    columns = (
        Column("knows_user", Part.USER),
        Column("knows_time", Part.USER),
        Column("year", Part.MOVIE),
        Column("bias", Part.USER),
        Column("hour", Part.MOMENT),
        Column("weekday", Part.MOMENT),
    )
    schedule = Schedule(columns, 0, 2, 3)
    assert [schedule.part(n) for n in range(4)] == [
        Part.MOVIE,
        Part.MOVIE,
        Part.USER,
        Part.MOMENT,
    ]
    assert [schedule.gate(n) for n in range(4)] == [None, None, 0, 1]
    assert [schedule.columns(part).tolist() for part in Part] == [
        [2],
        [2, 3],
        [2, 3, 4, 5],
    ]


def test_rounds_of_an_earlier_model_stay_as_they_are() -> None:
    columns = (
        Column("knows_user", Part.USER),
        Column("knows_time", Part.USER),
        Column("hour", Part.MOMENT),
    )
    schedule = Schedule(columns, 4, 4, 4)
    assert [schedule.gate(n) for n in (0, 3, 4)] == [None, None, 1]


@pytest.fixture(scope="module")
def fitted(spec: FeatureSpec, ratings: RatingTable) -> FeatureBlocks:
    return FeatureBlocks.of(spec.transform_fitted(ratings))


def test_rows_are_answered_by_the_trees_of_what_is_known(
    spec: FeatureSpec, ratings: RatingTable, fitted: FeatureBlocks
) -> None:
    classes = spec.scale.to_class(ratings.rating)
    booster = fit_booster(
        fitted, classes, len(spec.scale.class_values), SETTINGS, StopSignal()
    )
    queries = ratings.queries()
    for asked, rounds in ((without_user(queries), 3), (without_time(queries), 6)):
        features = spec.transform(asked).values
        alone = booster.inplace_predict(features, iteration_range=(0, rounds))
        np.testing.assert_array_equal(booster.inplace_predict(features), alone)
        assert np.ptp(alone, axis=0).max() > 0
    whole = spec.transform(queries).values
    assert not np.array_equal(
        booster.inplace_predict(whole),
        booster.inplace_predict(whole, iteration_range=(0, 6)),
    )


@pytest.mark.parametrize("lacking", [lambda q: q, without_time, without_user])
def test_models_of_several_seeds_are_averaged(
    spec: FeatureSpec,
    ratings: RatingTable,
    fitted: FeatureBlocks,
    lacking: Callable[[RatingQueries], RatingQueries],
) -> None:
    classes, features = (
        spec.scale.to_class(ratings.rating),
        spec.transform(lacking(ratings.queries())).values,
    )

    def margins(n_models: int, seed: int) -> np.ndarray:
        settings = replace(SETTINGS, n_models=n_models, seed=seed)
        booster = fit_booster(
            fitted, classes, len(spec.scale.class_values), settings, StopSignal()
        )
        assert booster.num_boosted_rounds() == n_models * SETTINGS.num_round
        return booster.inplace_predict(features, predict_type="margin")

    apart = [margins(1, seed) for seed in (5, 6, 7)]
    # Leaves are rounded: those of the seeds apart once, and once more when divided.
    rounding = 2 * SETTINGS.num_round * LEAF_STEP
    np.testing.assert_allclose(margins(3, 5), np.mean(apart, axis=0), atol=rounding)
