from __future__ import annotations

import pytest

from movielens.features import FeatureSpec
from movielens.tables import RatingTable
from tests.movielens.features.asking import ROW, features_of

STARS = [k / 2 for k in range(1, 11)]


def test_shares_are_shrunk_towards_those_of_all_ratings(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    rating = ratings.rating[ratings.movie_id == ratings.movie_id[ROW]]
    prior = (ratings.rating == 3).mean()
    expected = ((rating == 3).sum() + 5 * prior) / (len(rating) + 5)
    assert features_of(spec, ratings)["movie_share_3"] == pytest.approx(expected)


@pytest.mark.parametrize("side", ["user", "movie", "joint"])
def test_shares_sum_to_1(spec: FeatureSpec, ratings: RatingTable, side: str) -> None:
    features = features_of(spec, ratings)
    total = sum(features[f"{side}_share_{value:g}"] for value in STARS)
    assert total == pytest.approx(1, abs=1e-5)


def test_distributions_are_summed_up_in_single_numbers(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    features = features_of(spec, ratings)
    user = {value: features[f"user_share_{value:g}"] for value in STARS}
    joint = {value: features[f"joint_share_{value:g}"] for value in STARS}
    mean = sum(value * share for value, share in joint.items())
    half_share = sum(share for value, share in user.items() if value % 1)
    assert features["joint_mean"] == pytest.approx(mean)
    assert features["user_half_share"] == pytest.approx(half_share)
    assert features["user_mode"] == max(STARS, key=user.__getitem__)
    assert 0 < features["movie_quantile"] < 1
