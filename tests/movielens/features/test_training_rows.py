from __future__ import annotations

import numpy as np
import pytest

from movielens.features import IdIndex
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable


def test_the_bias_is_a_fixed_point_of_its_sweeps(training: TrainingRows) -> None:
    bias = training.bias
    user = 3
    rows = training.user_index == user
    left = training.rating[rows] - bias.mean - bias.movie[training.movie_index[rows]]
    assert bias.user[user] == pytest.approx(left.sum() / (rows.sum() + 5))

    movie = 5
    rows = training.movie_index == movie
    left = training.rating[rows] - bias.mean - bias.user[training.user_index[rows]]
    expected = left.sum() / (rows.sum() + 4)
    assert bias.movie[movie] == pytest.approx(expected, abs=1e-3)
    assert bias.user[-1] == bias.movie[-1] == 0


def test_rows_come_in_the_order_of_their_ids(
    ratings: RatingTable, movies: MovieTable, training: TrainingRows
) -> None:
    shuffled = ratings.take(np.random.default_rng(2).permutation(len(ratings)))
    again = TrainingRows.of(
        shuffled,
        IdIndex.of(ratings.user_id),
        Catalogue.of(movies),
        RatingScale.of(ratings.rating),
    )
    np.testing.assert_array_equal(again.user_index, training.user_index)
    np.testing.assert_array_equal(again.movie_index, training.movie_index)
    np.testing.assert_array_equal(again.residual, training.residual)


def test_some_users_are_drawn_whole(training: TrainingRows) -> None:
    assert training.of_some_users(len(training.user_index)) is training
    some = training.of_some_users(200)
    assert 100 < len(some.user_index) < 300
    for drawn, whole in zip(some.per_user(), training.per_user(), strict=True):
        assert drawn in (0, whole)
    assert some.bias is training.bias


def test_a_sample_has_about_as_many_pairs_as_asked(training: TrainingRows) -> None:
    count = training.per_user()
    n_pairs = int((count**2).sum())
    most = n_pairs // 4
    assert training.with_fewer_pairs(n_pairs) is training

    fewer = training.with_fewer_pairs(most)
    fewer_count = fewer.per_user()
    assert (fewer_count**2).sum() == pytest.approx(most, rel=0.4)
    assert np.all(fewer_count <= count)

    again = training.with_fewer_pairs(most)
    np.testing.assert_array_equal(fewer.residual, again.residual)


def test_years_that_are_unknown_are_filled_with_the_mean(
    training: TrainingRows,
) -> None:
    year = training.catalogue.year
    filled = training.catalogue.filled_years()
    is_known = ~np.isnan(year)
    np.testing.assert_array_equal(filled[is_known], year[is_known])
    assert np.all(filled[~is_known] == filled[is_known].mean())
