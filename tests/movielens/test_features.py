from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from movielens.columns import GENRES
from movielens.errors import DataError
from movielens.features import FeatureMatrix, FeatureSpec, IdIndex
from movielens.features.groups import GROUPS
from movielens.features.parts import Column, Part, part_of
from movielens.features.profiles import latest
from movielens.features.spec import (
    BASE_NAMES,
    KNOWS_TIME,
    KNOWS_USER,
    fold_of,
    n_folds_of,
)
from movielens.features.taste import Taste
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

IDS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


@pytest.fixture(scope="module")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies)


def ask(user_id: int, movie_id: int, timestamp: float = np.nan) -> RatingQueries:
    return RatingQueries(
        np.array([user_id], dtype=np.int64),
        np.array([movie_id], dtype=np.int64),
        np.array([timestamp]),
    )


def column(matrix: FeatureMatrix, name: str) -> float:
    return float(matrix.values[0, matrix.names.index(name)])


def flags(spec: FeatureSpec, movie_id: int) -> dict[str, float]:
    matrix = spec.transform(ask(1, movie_id))
    return {genre: column(matrix, f"genre_{genre}") for genre in GENRES}


def test_a_row_holds_time_genres_and_year(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable
) -> None:
    row = 5
    place = movies.movie_id.tolist().index(ratings.movie_id[row])
    matrix = spec.transform(ratings.take(np.array([row])).queries())
    assert matrix.names[: len(BASE_NAMES)] == BASE_NAMES
    assert column(matrix, "knows_user") == column(matrix, "knows_time") == 1
    assert ratings.timestamp is not None
    assert column(matrix, "timestamp") == np.float32(ratings.timestamp[row])
    assert column(matrix, "year") == movies.year[place]
    assert {g for g in GENRES if column(matrix, f"genre_{g}")} == set(
        movies.genres[place]
    )


def test_genres_that_nobody_listed_are_missing_not_absent(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    assert all(np.isnan(flag) for flag in flags(spec, movies.movie_id[0]).values())


def test_imax_is_no_genre(spec: FeatureSpec, movies: MovieTable) -> None:
    assert all(np.isnan(flag) for flag in flags(spec, movies.movie_id[1]).values())
    assert {g for g, flag in flags(spec, movies.movie_id[2]).items() if flag} == {
        "Action"
    }


def test_a_genre_of_the_users_own_leaves_the_known_ones(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    assert {g for g, flag in flags(spec, movies.movie_id[4]).items() if flag} == {
        "Comedy"
    }


def test_no_year_is_missing(spec: FeatureSpec, movies: MovieTable) -> None:
    assert np.isnan(column(spec.transform(ask(1, movies.movie_id[2])), "year"))


def test_what_is_unknown_is_missing(spec: FeatureSpec) -> None:
    assert np.isnan(spec.transform(ask(2, 10**6)).values[:, : len(BASE_NAMES)]).all()


@given(user_id=IDS, movie_id=IDS)
def test_any_ids_have_features(
    spec: FeatureSpec, user_id: list[int], movie_id: list[int]
) -> None:
    n_rows = min(len(user_id), len(movie_id))
    queries = RatingQueries(
        np.array(user_id[:n_rows], dtype=np.int64),
        np.array(movie_id[:n_rows], dtype=np.int64),
        np.full(n_rows, np.nan),
    )
    assert spec.transform(queries).values.shape == (n_rows, len(spec.names))


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(1, 60))
def test_features_of_a_row_depend_on_no_other_row(
    spec: FeatureSpec, ratings: RatingTable, seed: int, n_rows: int
) -> None:
    rows = np.random.default_rng(seed).permutation(len(ratings))[:n_rows]
    everything = spec.transform(ratings.queries()).values
    np.testing.assert_array_equal(
        spec.transform(ratings.take(rows).queries()).values, everything[rows]
    )


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_fitting_does_not_depend_on_row_order(
    ratings: RatingTable, movies: MovieTable, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(ratings))
    first, second = (
        FeatureSpec.fit(ratings, movies),
        FeatureSpec.fit(ratings.take(order), movies),
    )
    fitted = first.transform_fitted(ratings).values[order]
    np.testing.assert_array_equal(
        second.transform_fitted(ratings.take(order)).values, fitted
    )
    here, there = first.to_arrays(), second.to_arrays()
    for name in here:
        np.testing.assert_array_equal(here[name], there[name])


def test_features_of_a_part_depend_on_nothing_beyond_it(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable
) -> None:
    user, other = np.unique(ratings.user_id)[:2].tolist()

    def made(part: Part, user_id: int, seconds: float) -> NDArray[np.float32]:
        movie_id = movies.movie_id.astype(np.int64)
        queries = RatingQueries(
            np.full(len(movie_id), user_id), movie_id, np.full(len(movie_id), seconds)
        )
        chosen = [
            part_of(name) <= part and name not in (KNOWS_USER, KNOWS_TIME)
            for name in spec.names
        ]
        return spec.transform(queries).values[:, chosen]

    for seconds in (8e8, 9e8):
        for asked in (user, other):
            np.testing.assert_array_equal(
                made(Part.MOVIE, asked, seconds), made(Part.MOVIE, -1, np.nan)
            )
            np.testing.assert_array_equal(
                made(Part.USER, asked, seconds), made(Part.USER, asked, np.nan)
            )


def test_arrays_give_the_spec_back(spec: FeatureSpec, ratings: RatingTable) -> None:
    again = FeatureSpec.from_arrays(spec.to_arrays())
    assert again.movies.title == spec.movies.title
    assert again.movies.genres == spec.movies.genres
    np.testing.assert_array_equal(
        again.transform(ratings.queries()).values,
        spec.transform(ratings.queries()).values,
    )


def test_a_matrix_checks_its_names() -> None:
    with pytest.raises(ValueError, match="columns 1"):
        FeatureMatrix(
            np.zeros((3, 2), dtype=np.float32), (Column("userId", Part.USER),)
        )


@given(ids=st.sets(st.integers(1, 50)), raw=st.lists(st.integers(-5, 60)))
def test_id_index_agrees_with_a_dict(ids: set[int], raw: list[int]) -> None:
    known = sorted(ids)
    place = {value: i for i, value in enumerate(known)}
    found = IdIndex(np.array(known, dtype=np.int64)).index(
        np.array(raw, dtype=np.int64)
    )
    assert found.tolist() == [place.get(value, -1) for value in raw]


# Leaks


@pytest.mark.parametrize("row", [0, 17, 399])
def test_a_training_row_never_sees_its_own_rating(
    ratings: RatingTable, movies: MovieTable, row: int
) -> None:
    rating = ratings.rating.copy()
    rating[row] = 0.5 if rating[row] > 2.5 else 5.0
    other = RatingTable.of(ratings.user_id, ratings.movie_id, rating, ratings.timestamp)
    before = FeatureSpec.fit(ratings, movies).transform_fitted(ratings).values
    after = FeatureSpec.fit(other, movies).transform_fitted(other).values
    np.testing.assert_array_equal(before[row], after[row])
    assert not np.array_equal(before, after, equal_nan=True)


def test_folds_are_of_one_size_and_go_by_ids_alone(ratings: RatingTable) -> None:
    fold = fold_of(ratings)
    n_folds = n_folds_of(ratings)
    assert np.bincount(fold, minlength=n_folds) == pytest.approx(
        len(ratings) / n_folds, rel=0.5
    )
    order = np.random.default_rng(1).permutation(len(ratings))
    np.testing.assert_array_equal(fold_of(ratings.take(order)), fold[order])


@pytest.mark.parametrize(
    ("n_rows", "n_folds"),
    [(1, 8), (4_000, 8), (10_000, 20), (80_000, 24), (200_000, 20), (25_000_000, 8)],
)
def test_folds_are_many_where_rows_are_enough_but_cost_little(
    n_rows: int, n_folds: int
) -> None:
    ids = np.broadcast_to(np.int32(1), n_rows)
    assert (
        n_folds_of(RatingTable(ids, ids, np.broadcast_to(np.uint8(1), n_rows), None))
        == n_folds
    )


def test_a_row_without_others_is_refused(
    ratings: RatingTable, movies: MovieTable
) -> None:
    alone = ratings.take(np.array([0]))
    with pytest.raises(DataError, match="1 training rows are too few"):
        FeatureSpec.fit(alone, movies).transform_fitted(alone)


# Groups, each against its formula written out for one user, one movie or one row


@pytest.fixture(scope="module")
def history(ratings: RatingTable, movies: MovieTable) -> TrainingRows:
    return TrainingRows.of(
        ratings,
        IdIndex.of(ratings.user_id),
        Catalogue.of(movies),
        RatingScale.of(ratings.rating),
    )


def named(spec: FeatureSpec, ratings: RatingTable, row: int) -> dict[str, float]:
    matrix = spec.transform(ratings.take(np.array([row])).queries())
    return dict(zip(matrix.names, matrix.values[0].tolist(), strict=True))


def test_bias_is_a_fixed_point_of_its_sweeps(history: TrainingRows) -> None:
    bias, user, movie = history.bias, 3, 5
    rows = history.user_index == user
    expected = (
        history.rating[rows] - bias.mean - bias.movie[history.movie_index[rows]]
    ).sum() / (rows.sum() + 5)
    assert bias.user[user] == pytest.approx(expected)
    rows = history.movie_index == movie
    expected = (
        history.rating[rows] - bias.mean - bias.user[history.user_index[rows]]
    ).sum() / (rows.sum() + 4)
    assert bias.movie[movie] == pytest.approx(expected, abs=1e-3)
    assert bias.user[-1] == bias.movie[-1] == 0


def test_statistics(
    spec: FeatureSpec, ratings: RatingTable, history: TrainingRows
) -> None:
    row = 7
    rating = ratings.rating[ratings.user_id == ratings.user_id[row]].astype(float)
    features, mean = (
        named(spec, ratings, row),
        (rating.sum() + 5 * history.bias.mean) / (len(rating) + 5),
    )
    assert features["user_log_count"] == pytest.approx(np.log1p(len(rating)))
    assert features["user_mean"] == pytest.approx(mean)
    spread = ((rating - mean) ** 2).sum() + 5 * history.rating.var()
    assert features["user_std"] == pytest.approx(np.sqrt(spread / (len(rating) + 5)))
    assert features["bias"] == pytest.approx(
        history.bias.mean + features["user_bias"] + features["movie_bias"]
    )


def test_histograms(spec: FeatureSpec, ratings: RatingTable) -> None:
    row = 7
    rating = ratings.rating[ratings.movie_id == ratings.movie_id[row]]
    features, prior = named(spec, ratings, row), (ratings.rating == 3).mean()
    stars = [k / 2 for k in range(1, 11)]
    assert features["movie_share_3"] == pytest.approx(
        ((rating == 3).sum() + 5 * prior) / (len(rating) + 5)
    )
    for side in ("user", "movie", "joint"):
        assert sum(
            features[f"{side}_share_{value:g}"] for value in stars
        ) == pytest.approx(1, abs=1e-5)
    assert features["joint_mean"] == pytest.approx(
        sum(features[f"joint_share_{v:g}"] * v for v in stars)
    )
    assert features["user_half_share"] == pytest.approx(
        sum(features[f"user_share_{v:g}"] for v in stars if v % 1)
    )
    assert 0 < features["movie_quantile"] < 1


def test_affinity(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable, history: TrainingRows
) -> None:
    ids = movies.movie_id.tolist()
    row = next(
        i
        for i, m in enumerate(ratings.movie_id)
        if movies.genres[ids.index(m)] == ("Comedy", "Drama")
    )
    user = int(np.flatnonzero(np.unique(ratings.user_id) == ratings.user_id[row])[0])
    values = []
    for genre in ("Comedy", "Drama"):
        of_genre = np.array([genre in genres for genres in movies.genres])[
            history.movie_index
        ]
        rows = of_genre & (history.user_index == user)
        values.append(history.residual[rows].sum() / (rows.sum() + 8))
    features = named(spec, ratings, row)
    assert features["affinity_mean"] == pytest.approx(np.mean(values), abs=1e-6)
    assert features["affinity_max"] == pytest.approx(max(values), abs=1e-6)
    assert features["affinity_min"] == pytest.approx(min(values), abs=1e-6)


def test_affinity_to_genres_that_nobody_listed_is_missing(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    matrix = spec.transform(ask(1, movies.movie_id[0]))
    assert all(
        np.isnan(column(matrix, name))
        for name in matrix.names
        if name.startswith("affinity_")
    )


def test_slopes(spec: FeatureSpec, ratings: RatingTable, history: TrainingRows) -> None:
    row = 7
    user = int(np.flatnonzero(np.unique(ratings.user_id) == ratings.user_id[row])[0])
    liking = history.bias.movie[history.movie_index]
    liking = (liking - liking.mean()) / liking.std()
    rows = history.user_index == user
    away = liking[rows] - liking[rows].mean()
    slope = (away * history.residual[rows]).sum() / ((away**2).sum() + 20)
    assert named(spec, ratings, row)["slope_liking"] == pytest.approx(slope, abs=1e-6)


def test_clock(spec: FeatureSpec, ratings: RatingTable) -> None:
    assert ratings.timestamp is not None
    row, features = 7, named(spec, ratings, 7)
    mine = ratings.timestamp[ratings.user_id == ratings.user_id[row]].astype(float)
    assert features["days_of_user"] == pytest.approx(
        (float(ratings.timestamp[row]) - mine.min()) / 86_400
    )
    assert features["log_span_of_user"] == pytest.approx(
        np.log1p((mine.max() - mine.min()) / 86_400)
    )
    when = datetime.fromtimestamp(int(ratings.timestamp[row]), UTC)
    assert features["hour"] == when.hour
    # 1970 began on a Thursday.
    assert features["weekday"] == (when.weekday() - 3) % 7


def test_taste_is_a_regression_whose_weights_have_the_fitted_variances(
    spec: FeatureSpec, ratings: RatingTable, history: TrainingRows
) -> None:
    row = 7
    taste = next(group for group in spec.groups if isinstance(group, Taste))
    user = int(np.flatnonzero(np.unique(ratings.user_id) == ratings.user_id[row])[0])
    mine = np.flatnonzero(history.user_index == user)
    terms, noise = (
        taste.movie[history.movie_index[mine]].astype(float),
        taste.variance[-1],
    )
    precision = terms.T @ terms / noise + np.diag(1 / taste.variance[:-1])
    weights = np.linalg.solve(precision, terms.T @ history.residual[mine] / noise)
    movie = history.catalogue.index.index(ratings.movie_id[row : row + 1])
    features = named(spec, ratings, row)
    assert features["taste_residual"] == pytest.approx(
        float((taste.movie[movie] @ weights)[0]), abs=1e-5
    )


def test_what_is_beyond_taste_is_what_a_fit_without_the_rating_leaves(
    history: TrainingRows,
) -> None:
    """With biases and variances held, the leverages give the very residuals of fits
    that leave one rating out.
    """
    taste = Taste.fit(history)
    user, noise = 3, taste.variance[-1]
    mine = np.flatnonzero(history.user_index == user)
    terms, prior = (
        taste.movie[history.movie_index[mine]].astype(float),
        np.diag(1 / taste.variance[:-1]),
    )
    residual = history.residual[mine]
    covariance = np.linalg.inv(terms.T @ terms / noise + prior)
    for place in range(len(mine)):
        others = np.arange(len(mine)) != place
        precision = terms[others].T @ terms[others] / noise + prior
        left = residual[place] - terms[place] @ np.linalg.solve(
            precision, terms[others].T @ residual[others] / noise
        )
        whole = residual[place] - terms[place] @ covariance @ terms.T @ residual / noise
        leverage = terms[place] @ covariance @ terms[place] / noise
        assert whole / (1 - leverage) == pytest.approx(left)
        of_bias = 1 / (len(mine) + 5) + 1 / (
            taste.raters[history.movie_index[mine[place]]] + 4
        )
        found = taste.beyond[np.flatnonzero(latest(history)[0] == mine[place])[0]]
        assert found == pytest.approx(
            whole / (1 - min(leverage + of_bias, 0.8)), rel=1e-4, abs=1e-6
        )


def test_alike_movies_are_those_of_like_genres_and_year(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable, history: TrainingRows
) -> None:
    row = 7
    here = movies.movie_id.tolist().index(ratings.movie_id[row])
    mine = ratings.user_id == ratings.user_id[row]
    flags, weight = np.nan_to_num(history.catalogue.genre_flags), 0.0
    for movie in history.catalogue.index.index(ratings.movie_id[mine]):
        common = flags[here] @ flags[movie]
        if common:
            years = abs(
                float(history.catalogue.year[here] - history.catalogue.year[movie])
            )
            years = 30 if np.isnan(years) else years
            weight += (
                common**2
                / (flags[here].sum() * flags[movie].sum())
                / (1 + years / 15) ** 2
            )
    assert named(spec, ratings, row)["alike_genre_weight"] == pytest.approx(
        weight, rel=1e-4
    )


def test_pace(spec: FeatureSpec, ratings: RatingTable) -> None:
    assert ratings.timestamp is not None
    user, movie = int(ratings.user_id[7]), int(ratings.movie_id[7])
    mine = ratings.user_id == user
    time, order = (
        np.sort(ratings.timestamp[mine].astype(float)),
        np.argsort(ratings.timestamp[mine]),
    )
    stars = ratings.rating[mine][order]
    matrix = spec.transform(ask(user, movie, time[4] + 1))
    assert column(matrix, "pace_before") == 5
    assert column(matrix, "pace_share_before") == pytest.approx(5 / (mine.sum() + 1))
    assert column(matrix, "pace_60s") == (time[4] + 1 - time[:5] < 60).sum()
    assert column(matrix, "pace_classes") == len(set(stars[:5].tolist()))
    assert column(matrix, "pace_run") == next(
        (k for k in range(5) if stars[4 - k] != stars[4]), 5
    )


@pytest.mark.parametrize("groups", [(), ("affinity",), tuple(GROUPS)])
def test_any_choice_of_groups_is_saved_and_applied(
    ratings: RatingTable, movies: MovieTable, groups: tuple[str, ...]
) -> None:
    spec = FeatureSpec.fit(ratings, movies, groups)
    again = FeatureSpec.from_arrays(spec.to_arrays())
    assert again.names == spec.names
    queries = ratings.queries()
    np.testing.assert_array_equal(
        again.transform(queries).values, spec.transform(queries).values
    )


def test_without_timestamps_and_years_features_are_missing(
    ratings: RatingTable, movies: MovieTable
) -> None:
    bare = RatingTable.of(ratings.user_id, ratings.movie_id, ratings.rating, None)
    yearless = MovieTable(
        movies.movie_id, movies.title, movies.genres, np.zeros_like(movies.year)
    )
    matrix = FeatureSpec.fit(bare, yearless).transform_fitted(bare)
    for name in (
        "timestamp",
        "year",
        "hour",
        "days_of_user",
        "days_of_movie",
        "log_span_of_user",
        "movie_age",
    ):
        assert np.isnan(matrix.values[:, matrix.names.index(name)]).all(), name
    assert np.isfinite(matrix.values[:, matrix.names.index("bias")]).all()


# The view of one user's own history


def test_a_users_own_training_rows_as_history_give_the_trained_features(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    assert ratings.timestamp is not None
    user = int(ratings.user_id[7])
    rows = np.flatnonzero(ratings.user_id == user)[::-1]
    view = spec.with_user_history(
        user,
        ratings.movie_id[rows],
        ratings.rating[rows],
        ratings.timestamp[rows].astype(float),
    )
    queries = ratings.take(rows).queries()
    np.testing.assert_allclose(
        view.transform(queries).values,
        spec.transform(queries).values,
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_history_may_be_of_a_new_user_and_without_timestamps(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    ids = movies.movie_id[4:8]
    liked = spec.with_user_history(10**9, ids, np.full(4, 5.0))
    hated = spec.with_user_history(10**9, ids, np.full(4, 0.5))
    query = ask(10**9, int(movies.movie_id[9]), 1.4e9)
    assert column(liked.transform(query), "blend") > column(
        hated.transform(query), "blend"
    )


def test_an_empty_history_is_an_unknown_user(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    none = np.empty(0)
    view, query = (
        spec.with_user_history(5, none, none),
        ask(10**9, int(movies.movie_id[9]), 1.4e9),
    )
    np.testing.assert_array_equal(
        view.transform(query).values, spec.transform(query).values
    )


@pytest.mark.parametrize(
    ("movie_id", "rating", "fault"),
    [
        ([10**6], [3.0], "not in the catalogue"),
        ([0, 0], [3.0, 4.0], "comes twice"),
        ([0], [4.7], "not among"),
    ],
)
def test_a_bad_history_is_refused(
    spec: FeatureSpec,
    movies: MovieTable,
    movie_id: list[int],
    rating: list[float],
    fault: str,
) -> None:
    ids = np.array([value or int(movies.movie_id[4]) for value in movie_id])
    with pytest.raises(DataError, match=fault):
        spec.with_user_history(1, ids, np.array(rating))


def test_blocks_are_folds_and_cover_every_row_once(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    blocks = list(spec.transform_fitted_blocks(ratings))
    rows = np.concatenate([positions for positions, _ in blocks])
    assert sorted(rows.tolist()) == list(range(len(ratings)))
    whole = spec.transform_fitted(ratings).values
    for positions, block in blocks:
        np.testing.assert_array_equal(block.values, whole[positions])


def test_recent_ratings_are_strictly_earlier(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    assert ratings.timestamp is not None
    user = ratings.user_id[7]
    mine = ratings.user_id == user
    time, movie = (
        np.sort(ratings.timestamp[mine].astype(float)),
        int(ratings.movie_id[7]),
    )
    first = ratings.rating[mine][np.argmin(ratings.timestamp[mine])]
    assert np.isnan(
        column(spec.transform(ask(int(user), movie, time[0])), "latest_rating_1")
    )
    assert (
        column(spec.transform(ask(int(user), movie, time[0] + 0.5)), "latest_rating_1")
        == first
    )


def test_shuffled_test_labels_change_no_feature(
    ratings: RatingTable, movies: MovieTable
) -> None:
    train, test = ratings.take(np.arange(300)), ratings.take(np.arange(300, 400))
    shuffled = RatingTable.of(
        test.user_id, test.movie_id, test.rating[::-1].copy(), test.timestamp
    )
    spec = FeatureSpec.fit(train, movies)
    np.testing.assert_array_equal(
        spec.transform(test.queries()).values, spec.transform(shuffled.queries()).values
    )


def test_large_data_is_drawn_from(history: TrainingRows) -> None:
    assert history.of_some_users(len(history.user_index)) is history
    some = history.of_some_users(200)
    assert 100 < len(some.user_index) < 300
    # Whole users, and nothing of them changed.
    assert set(some.per_user()) <= set(history.per_user())
    assert some.bias is history.bias
    pairs = (history.per_user() ** 2).sum()
    assert history.with_fewer_pairs(int(pairs)) is history
    fewer = history.with_fewer_pairs(int(pairs / 4))
    assert (fewer.per_user() ** 2).sum() == pytest.approx(pairs / 4, rel=0.4)
    assert np.all(fewer.per_user() <= history.per_user())
    assert np.array_equal(
        fewer.residual, history.with_fewer_pairs(int(pairs / 4)).residual
    )
