from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.features import IdIndex
from movielens.features.affinity import Affinity
from movielens.features.slopes import Slopes
from movielens.features.training_rows import Catalogue, TrainingRows, user_blocks
from movielens.features.workers import Workers
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


def test_numbers_of_movies_are_standardised_over_the_ratings(
    training: TrainingRows,
) -> None:
    popularity = np.log1p(training.per_movie())
    seen = training.standardised(popularity)[training.movie_index]
    assert seen.mean() == pytest.approx(0, abs=1e-12)
    assert seen.std() == pytest.approx(1)


def test_numbers_that_are_all_alike_are_not_divided(training: TrainingRows) -> None:
    alike = np.full(training.n_movies + 1, 0.1)
    np.testing.assert_allclose(training.standardised(alike), 0, atol=1e-12)


@pytest.mark.parametrize("block_rows", [1, 7, 100, 10**6])
def test_blocks_have_all_users_and_rows_once(
    training: TrainingRows, block_rows: int
) -> None:
    blocks = user_blocks(training.start, block_rows)
    users = [
        user for block in blocks for user in range(block.users.start, block.users.stop)
    ]
    assert users == list(range(training.n_users + 1))
    for user_range, rows in blocks:
        own = training.user_index[rows]
        assert np.all((own >= user_range.start) & (own < user_range.stop))
    assert sum(rows.stop - rows.start for _, rows in blocks) == len(training.rating)


@pytest.mark.parametrize("block_rows", [1, 30, 200])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_nothing_depends_on_the_blocks(
    ratings: RatingTable,
    movies: MovieTable,
    training: TrainingRows,
    block_rows: int,
    n_threads: int,
) -> None:
    with Workers(n_threads) as workers:
        in_blocks = TrainingRows.of(
            ratings,
            IdIndex.of(ratings.user_id),
            Catalogue.of(movies),
            RatingScale.of(ratings.rating),
            latest_kept=10,
            workers=workers,
            block_rows=block_rows,
        )
        at_once = replace(training, latest_kept=10)
        assert len(in_blocks.blocks) > len(at_once.blocks)
        np.testing.assert_array_equal(in_blocks.residual, at_once.residual)
        for kept, expected in zip(in_blocks.latest, at_once.latest, strict=True):
            np.testing.assert_array_equal(kept, expected)
        for group in (Slopes, Affinity):
            made = group.fit(in_blocks).tables()
            for name, expected in group.fit(at_once).tables().items():
                np.testing.assert_array_equal(made[name], expected)


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
