from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movielens.features import FeatureSpec
from movielens.features.near_level import NearLevel
from movielens.features.training_rows import TrainingRows
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import (
    ROW,
    ask,
    features_of,
    of_same_user,
    timestamps_of,
    user_index_of,
    value_of,
)

NEW_USER = 10**9


def near_level_of(spec: FeatureSpec) -> NearLevel:
    """The spec's group."""
    return next(group for group in spec.groups if isinstance(group, NearLevel))


def test_shares_are_those_of_ratings_at_about_the_same_level(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    group = near_level_of(spec)
    profiles = spec.profiles
    assert spec.level is not None
    features = features_of(spec, ratings)
    user = user_index_of(ratings)
    own = np.arange(profiles.start[user], profiles.start[user + 1])
    row_time = timestamps_of(ratings)[ROW]
    n_earlier = int((profiles.time[own] < row_time).sum())

    rest = spec.level.rest[own].astype(float)
    stars = np.array(spec.scale.class_values)[profiles.class_index[own]]
    apart = np.abs(features["level"] - (stars - rest)) / 0.3
    rank = n_earlier - 1 - np.arange(len(own))
    gap = row_time - profiles.time[own]
    is_earlier = rank >= 0
    by_rank = 1 / (1 + np.maximum(rank, 0) / 12) ** 2
    by_time = 1 / (1 + np.maximum(gap, 0) / 600) ** 2
    recent = 0.1 + np.where(is_earlier, by_rank + by_time, 0)
    weight = recent / (1 + apart) ** 2

    n_classes = len(group.prior)
    prior = group.prior.astype(float)
    counts = np.bincount(profiles.class_index[own], minlength=n_classes)
    histogram = (counts + 5 * prior) / (len(own) + 5)
    place = np.clip((features["level"] - 0.5) / 0.25, 0, 18)
    below = min(int(place), 17)
    share_above = place - below
    lift = (1 - share_above) * group.lift[below] + share_above * group.lift[below + 1]
    expected = histogram * lift / (histogram * lift).sum()

    total = weight.sum()
    assert features["near_level_weight"] == pytest.approx(total, rel=1e-3)
    mean = (weight * rest).sum() / (total + 1)
    assert features["near_level_rest"] == pytest.approx(mean, rel=1e-3, abs=1e-6)
    weights = np.bincount(profiles.class_index[own], weight, n_classes)
    for k in range(n_classes):
        share = (weights[k] + 8 * expected[k]) / (total + 8)
        assert features[f"near_level_share_{k + 1}"] == pytest.approx(share, rel=1e-3)


@settings(max_examples=50)
@given(
    stars=st.lists(st.integers(1, 10), max_size=13),
    asked=st.sampled_from([np.nan, 1e8, 1.2e9, 1.6e9]),
    movie=st.integers(0, 13),
)
def test_shares_add_up_to_one(
    spec: FeatureSpec,
    movies: MovieTable,
    stars: list[int],
    asked: float,
    movie: int,
) -> None:
    """For any history, any time and any movie, an unknown one too."""
    n_rated = len(stars)
    ids = movies.movie_id[:n_rated].astype(np.int64)
    time = 1.2e9 + 1000.0 * np.arange(n_rated)
    rating = np.array(stars, dtype=float) / 2
    view = spec.with_user_history(NEW_USER, ids, rating, time)
    movie_id = int(np.append(movies.movie_id, 10**6)[movie])
    row = view.transform(ask(NEW_USER, movie_id, asked))
    shares = [value_of(row, f"near_level_share_{k}") for k in range(1, 11)]
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_a_user_who_gives_no_half_stars_is_expected_to_go_on_so(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    ids = movies.movie_id[:12].astype(np.int64)
    query = ask(NEW_USER, int(movies.movie_id[12]), 1.4e9)
    whole = np.tile([3.0, 4.0, 5.0], 4)

    def half_share(stars: np.ndarray) -> float:
        row = spec.with_user_history(NEW_USER, ids, stars).transform(query)
        halves = range(1, 11, 2)
        return sum(value_of(row, f"near_level_share_{k}") for k in halves)

    assert half_share(whole) < half_share(whole - 0.5)


def test_recent_ratings_weigh_more(spec: FeatureSpec, ratings: RatingTable) -> None:
    user = int(ratings.user_id[ROW])
    movie = int(ratings.movie_id[ROW])
    latest = timestamps_of(ratings)[of_same_user(ratings)].max()
    after = spec.transform(ask(user, movie, latest + 1))
    long_after = spec.transform(ask(user, movie, latest + 1e8))
    without_time = spec.transform(ask(user, movie))
    weights = [
        value_of(row, "near_level_weight") for row in (after, long_after, without_time)
    ]
    assert weights[0] > weights[1] > weights[2] > 0


def test_a_class_is_given_more_often_where_the_level_is_near_it(
    training: TrainingRows,
) -> None:
    group = NearLevel.fit(training)
    levels = group.grid[0] + group.grid[1] * np.arange(len(group.lift))
    low = int(np.searchsorted(levels, 2.0))
    high = int(np.searchsorted(levels, 4.0))
    three_and_less = group.lift[:, :5].mean(axis=1)
    assert three_and_less[low] > three_and_less[high]


def test_a_class_that_nobody_gave_is_expected_nowhere(training: TrainingRows) -> None:
    is_given = training.class_index != 9
    some = replace(
        training,
        class_index=training.class_index[is_given],
        rating=training.rating[is_given],
        rest=training.rest[is_given],
    )
    assert np.all(NearLevel.fit(some).lift[:, 9] == 0)
