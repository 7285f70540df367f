from __future__ import annotations

from dataclasses import replace

import numpy as np

from movielens.features.profiles import Profiles
from movielens.features.training_rows import TrainingRows


def test_the_latest_ratings_are_kept_in_the_order_of_time(
    training: TrainingRows,
) -> None:
    short = replace(training, latest_kept=3)
    rows, older = short.latest
    assert sorted([*rows, *older]) == list(range(len(training.user_index)))
    for user in range(training.n_users):
        kept = rows[training.user_index[rows] == user]
        left_out = older[training.user_index[older] == user]
        time = training.timestamp[kept]
        assert len(kept) <= 3
        assert np.all(np.diff(time) >= 0)
        if len(left_out):
            assert len(kept) == 3
            assert training.timestamp[left_out].max() <= time.min()


def test_all_movies_that_a_user_rated_are_known(training: TrainingRows) -> None:
    profiles = Profiles.of(replace(training, latest_kept=3))
    for user in range(training.n_users):
        rated = training.movie_index[training.user_index == user]
        assert sorted(profiles.rated(user)) == sorted(rated)
    assert len(profiles.rated(-1)) == 0


def test_counts_are_those_of_all_ratings(training: TrainingRows) -> None:
    profiles = Profiles.of(replace(training, latest_kept=3))
    expected = np.bincount(training.movie_index, minlength=training.n_movies)
    np.testing.assert_array_equal(profiles.counts(training.n_movies), expected)


def test_with_no_ratings_kept_no_movie_belongs_to_a_user(
    training: TrainingRows,
) -> None:
    profiles = Profiles.of(replace(training, latest_kept=0))
    assert len(profiles.movie_index) == len(profiles.time) == 1  # the unknown one
    for user in range(-1, training.n_users):
        assert len(profiles.rated(user)) == 0
    np.testing.assert_array_equal(profiles.older, np.sort(training.movie_index))
    expected = np.bincount(training.movie_index, minlength=training.n_movies)
    np.testing.assert_array_equal(profiles.counts(training.n_movies), expected)
