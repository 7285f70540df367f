from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.features.mood import Mood
from movielens.features.training_rows import TrainingRows
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import (
    ROW,
    ask,
    features_of,
    timestamps_of,
    user_index_of,
    value_of,
)

NEW_USER = 10**9
LONG_AGO, LONG_AFTER = 900_000_000, 1_500_000_000
TIMES = st.lists(st.integers(LONG_AGO, LONG_AFTER), min_size=1, max_size=13)


def mood_of(spec: FeatureSpec) -> Mood:
    """The spec's group."""
    return next(group for group in spec.groups if isinstance(group, Mood))


def covariances(
    spec: FeatureSpec, movie: NDArray[np.int64], time: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Between ratings of these movies at these times, each one rank after the next."""
    mood = mood_of(spec)
    catalogue = spec.catalogue
    flags = np.nan_to_num(catalogue.genre_flags[movie]).astype(float)
    size = np.maximum(np.sqrt(flags.sum(axis=1)), 1)
    year = np.nan_to_num(catalogue.year[movie], nan=float(mood.unknown_year[0]))
    liking = (spec.bias.movie[movie] - mood.liking[0]) / mood.liking[1]

    def near(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
        apart = np.abs(values[:, None] - values[None, :])
        closeness: NDArray[np.float64] = 1 / (1 + apart / width) ** 2
        return closeness

    moment, page, season = (near(time, float(width)) for width in mood.seconds)
    alike = (flags @ flags.T) / np.outer(size, size)
    alike *= near(year.astype(float), float(mood.genre_years[0]))
    rank = np.arange(len(movie))
    by_rank = mood.by_rank.astype(float)[np.abs(rank[:, None] - rank)]
    variance = mood.variance.astype(float)
    found: NDArray[np.float64] = (
        by_rank
        + variance[0] * moment
        + alike * (variance[1] * page + variance[2] * season + variance[3])
        + variance[4] * np.outer(liking, liking) * season
    )
    return found


def test_mood_is_a_gaussian_process_on_the_rests_of_earlier_ratings(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    level = spec.level
    assert level is not None
    profiles = spec.profiles
    user = user_index_of(ratings)
    own = np.arange(profiles.start[user], profiles.start[user + 1])
    row_time = timestamps_of(ratings)[ROW]
    earlier = own[profiles.time[own] < row_time][::-1][:24]
    assert len(earlier) > 2

    row_movie = spec.movie_index.index(ratings.movie_id[[ROW]])
    movie = np.concatenate([row_movie, profiles.movie_index[earlier]])
    time = np.concatenate([[row_time], profiles.time[earlier]])
    covariance = covariances(spec, movie, time)
    noise = 0.45 + 0.196 / (level.raters[movie[1:]].astype(float) + 2)
    square = covariance[1:, 1:] + np.diag(noise)
    rest = level.rest[earlier].astype(float)
    mean = covariance[0, 1:] @ np.linalg.solve(square, rest)
    known = covariance[0, 1:] @ np.linalg.solve(square, covariance[1:, 0])

    features = features_of(spec, ratings)
    assert features["mood"] == pytest.approx(mean, abs=1e-5)
    assert features["mood_variance"] == pytest.approx(
        covariance[0, 0] - known, rel=1e-4
    )


def test_the_level_is_the_bias_and_what_is_explained(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    features = features_of(spec, ratings)
    expected = features["bias"] + features["level_explained"]
    assert features["level"] == pytest.approx(expected, abs=1e-5)


def test_the_level_of_a_users_ratings_is_near_them(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    matrix = spec.transform(ratings.queries())
    level = matrix.values[:, matrix.names.index("level")]
    bias = matrix.values[:, matrix.names.index("bias")]
    stars = ratings.rating
    assert np.mean((level - stars) ** 2) < np.mean((bias - stars) ** 2)


def test_without_earlier_ratings_there_is_no_mood(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    user = int(ratings.user_id[ROW])
    movie = int(ratings.movie_id[ROW])
    before_all = spec.transform(ask(user, movie, 1e8))
    unknown = spec.transform(ask(NEW_USER, movie, 1.4e9))
    assert value_of(before_all, "mood") == value_of(unknown, "mood") == 0
    assert value_of(before_all, "mood_variance") == value_of(unknown, "mood_variance")


def test_without_a_time_mood_is_missing_and_the_level_is_not(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    row = spec.transform(ask(int(ratings.user_id[ROW]), int(ratings.movie_id[ROW])))
    for name in ("mood", "mood_variance"):
        assert np.isnan(value_of(row, name))
    assert np.isfinite(value_of(row, "level"))


def test_high_ratings_a_moment_ago_lift_the_mood(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    """The same ratings, of which the better half came last or first."""
    ids = movies.movie_id[:10].astype(np.int64)
    stars = np.repeat([2.0, 4.0], 5)
    rising = 1.2e9 + np.arange(10.0)
    query = ask(NEW_USER, int(movies.movie_id[10]), 1.2e9 + 11)
    high = spec.with_user_history(NEW_USER, ids, stars, rising).transform(query)
    low = spec.with_user_history(NEW_USER, ids, stars, rising[::-1]).transform(query)
    assert value_of(high, "level") == pytest.approx(value_of(low, "level"), abs=1e-5)
    assert value_of(high, "mood") > 0 > value_of(low, "mood")


@settings(max_examples=50)
@given(times=TIMES, asked=st.integers(LONG_AGO, LONG_AFTER), movie=st.integers(0, 12))
def test_earlier_ratings_only_make_mood_more_certain(
    spec: FeatureSpec,
    movies: MovieTable,
    times: list[int],
    asked: int,
    movie: int,
) -> None:
    """Covariances are positive definite, whenever ratings were given.

    Later ratings don't count.
    """
    time = np.array(times, dtype=float)
    ids = movies.movie_id[: len(times)].astype(np.int64)
    stars = np.resize([0.5, 5.0, 3.0], len(times))
    query = ask(NEW_USER, int(movies.movie_id[movie]), float(asked))

    def variance_with(chosen: NDArray[np.bool_]) -> float:
        view = spec.with_user_history(
            NEW_USER, ids[chosen], stars[chosen], time[chosen]
        )
        return value_of(view.transform(query), "mood_variance")

    nothing = variance_with(time < 0)
    everything = variance_with(time > 0)
    assert 0 < everything <= nothing * (1 + 1e-5)
    assert everything == variance_with(time < asked)


def test_only_the_latest_ratings_of_the_window_count(training: TrainingRows) -> None:
    assert len(Mood.fit(training, window=3).by_rank) == 4
    assert len(Mood.fit(training).by_rank) == 25
