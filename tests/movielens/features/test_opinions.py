from __future__ import annotations

import numpy as np

from movielens.features.opinions import Opinions
from movielens.features.training_rows import TrainingRows


def test_opinions_are_grouped_by_either_side(training: TrainingRows) -> None:
    user = 3
    rows = training.user_index == user
    opinions = Opinions.by_user(training)
    mine = slice(opinions.start[user], opinions.start[user + 1])
    np.testing.assert_array_equal(opinions.index[mine], training.movie_index[rows])
    np.testing.assert_array_equal(opinions.residual[mine], training.residual[rows])

    movie = 5
    rows = training.movie_index == movie
    opinions = Opinions.by_movie(training)
    its = slice(opinions.start[movie], opinions.start[movie + 1])
    np.testing.assert_array_equal(opinions.index[its], training.user_index[rows])
    np.testing.assert_array_equal(opinions.residual[its], training.residual[rows])


def test_those_without_ratings_are_left_out_and_others_numbered_anew() -> None:
    opinions = Opinions(
        start=np.array([0, 2, 2, 3, 3]),
        index=np.array([1, 4, 1], dtype=np.int32),
        residual=np.ones(3),
    )
    among = opinions.among(own=np.array([0, 2]), others=np.array([1, 4]))
    assert among.start.tolist() == [0, 2, 3]
    assert among.index.tolist() == [0, 1, 0]
