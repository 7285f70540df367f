from __future__ import annotations

import pytest

from movielens.features import FeatureSpec
from movielens.features.training_rows import TrainingRows
from movielens.tables import RatingTable
from tests.movielens.features.asking import features_of, user_index_of


def test_a_slope_is_a_shrunk_least_squares_line_through_the_users_mean(
    spec: FeatureSpec, ratings: RatingTable, training: TrainingRows
) -> None:
    liking = training.bias.movie[training.movie_index]
    liking = (liking - liking.mean()) / liking.std()
    rows = training.user_index == user_index_of(ratings)
    away = liking[rows] - liking[rows].mean()
    slope = (away * training.residual[rows]).sum() / ((away**2).sum() + 20)
    found = features_of(spec, ratings)["slope_liking"]
    assert found == pytest.approx(slope, abs=1e-6)
