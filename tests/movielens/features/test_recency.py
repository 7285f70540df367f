from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.recency import Recency
from movielens.features.training_rows import TrainingRows
from movielens.tables import RatingTable
from tests.movielens.features.asking import (
    ROW,
    ask,
    of_same_user,
    timestamps_of,
    user_index_of,
    value_of,
)


def test_recent_ratings_are_strictly_earlier(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    mine = of_same_user(ratings)
    time = timestamps_of(ratings)[mine]
    first = ratings.rating[mine][np.argmin(time)]
    user_id = int(ratings.user_id[ROW])
    movie_id = int(ratings.movie_id[ROW])

    at_the_first = spec.transform(ask(user_id, movie_id, time.min()))
    assert np.isnan(value_of(at_the_first, "latest_rating_1"))
    after_the_first = spec.transform(ask(user_id, movie_id, time.min() + 0.5))
    assert value_of(after_the_first, "latest_rating_1") == first


def test_recent_residuals_weigh_the_more_the_nearer_they_are(
    spec: FeatureSpec, ratings: RatingTable, training: TrainingRows
) -> None:
    rows = np.flatnonzero(training.user_index == user_index_of(ratings))
    now = np.sort(training.timestamp[rows])[4] + 100
    earlier = rows[training.timestamp[rows] < now]
    weight = 1 / (1 + (now - training.timestamp[earlier]) / 5_184_000) ** 2
    mean = (weight * training.residual[earlier]).sum() / (weight.sum() + 1)

    matrix = spec.transform(ask(ratings.user_id[ROW], ratings.movie_id[ROW], now))
    name = f"{5_184_000:g}s"
    assert value_of(matrix, f"recent_weight_{name}") == pytest.approx(
        weight.sum(), rel=1e-4
    )
    assert value_of(matrix, f"recent_residual_{name}") == pytest.approx(
        mean, rel=1e-4, abs=1e-5
    )


def test_without_a_time_all_is_missing(spec: FeatureSpec, ratings: RatingTable) -> None:
    untimed = ask(ratings.user_id[ROW], ratings.movie_id[ROW])
    matrix = spec.transform(untimed)
    (recency,) = (group for group in spec.groups if group.name == "recency")
    for column in recency.columns():
        assert np.isnan(value_of(matrix, column.name)), column.name


def test_a_table_cannot_ask_for_billions_of_columns(training: TrainingRows) -> None:
    recency = Recency.fit(training)
    for latest in (10**9, 2**62):
        greedy = replace(recency, latest=np.array([latest]))
        assert len(greedy.columns()) < 1000
