from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.tables import RatingTable
from tests.movielens.features.asking import (
    ROW,
    ask,
    of_same_user,
    timestamps_of,
    value_of,
)


def test_pace_counts_the_ratings_before_the_row(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    mine = of_same_user(ratings)
    my_times = timestamps_of(ratings)[mine]
    time = np.sort(my_times)
    stars = ratings.rating[mine][np.argsort(my_times)]
    now = time[4] + 1

    matrix = spec.transform(ask(ratings.user_id[ROW], ratings.movie_id[ROW], now))

    in_a_minute = (now - time[:5] < 60).sum()
    run = next((k for k in range(5) if stars[4 - k] != stars[4]), 5)
    assert value_of(matrix, "pace_before") == 5
    share = 5 / (mine.sum() + 1)
    assert value_of(matrix, "pace_share_before") == pytest.approx(share)
    assert value_of(matrix, "pace_60s") == in_a_minute
    assert value_of(matrix, "pace_classes") == len(set(stars[:5].tolist()))
    assert value_of(matrix, "pace_run") == run
