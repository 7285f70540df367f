from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.training_rows import TrainingRows
from movielens.tables import RatingTable
from tests.movielens.features.asking import features_of, of_same_user


def test_mean_and_spread_are_shrunk_towards_those_of_all_ratings(
    spec: FeatureSpec, ratings: RatingTable, training: TrainingRows
) -> None:
    rating = ratings.rating[of_same_user(ratings)].astype(float)
    n = len(rating)
    mean = (rating.sum() + 5 * training.bias.mean) / (n + 5)
    spread = ((rating - mean) ** 2).sum() + 5 * training.rating.var()

    features = features_of(spec, ratings)
    assert features["user_log_count"] == pytest.approx(np.log1p(n))
    assert features["user_mean"] == pytest.approx(mean)
    assert features["user_std"] == pytest.approx(np.sqrt(spread / (n + 5)))


def test_the_biases_add_up_to_a_rating(
    spec: FeatureSpec, ratings: RatingTable, training: TrainingRows
) -> None:
    features = features_of(spec, ratings)
    biases = features["user_bias"] + features["movie_bias"]
    assert features["bias"] == pytest.approx(training.bias.mean + biases)
