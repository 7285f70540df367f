from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movielens.columns import GENRES
from movielens.errors import DataError
from movielens.features import FeatureSpec
from movielens.features.cases import GATES, Case
from movielens.features.folds import fold_of
from movielens.features.groups import GROUPS
from movielens.features.spec import BASE_COLUMNS
from movielens.features.spec_arrays import spec_to_arrays
from movielens.features.workers import Workers
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import (
    ROW,
    ask,
    features_of,
    of_same_user,
    timestamps_of,
    value_of,
)

IDS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)
NEW_USER = 10**9


def genres_of(spec: FeatureSpec, movie_id: int) -> set[str] | None:
    """The genres whose flags are set; None if all flags are missing."""
    matrix = spec.transform(ask(1, movie_id))
    flags = [value_of(matrix, f"genre_{genre}") for genre in GENRES]
    if np.isnan(flags).all():
        return None
    return {genre for genre, flag in zip(GENRES, flags, strict=True) if flag}


# The base columns


def test_a_row_has_time_genres_and_year(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable
) -> None:
    place = movies.movie_id.tolist().index(ratings.movie_id[ROW])
    features = features_of(spec, ratings)
    assert spec.columns[: len(BASE_COLUMNS)] == BASE_COLUMNS
    assert (features["knows"], features["lacks"]) == (Case.BOTH, 0)
    assert features["timestamp"] == np.float32(timestamps_of(ratings)[ROW])
    assert features["year"] == movies.year[place]
    found = {genre for genre in GENRES if features[f"genre_{genre}"]}
    assert found == set(movies.genres[place])


def test_genres_that_nobody_listed_are_missing_not_absent(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    assert genres_of(spec, movies.movie_id[0]) is None


def test_imax_is_no_genre(spec: FeatureSpec, movies: MovieTable) -> None:
    assert movies.genres[1:3] == (("IMAX",), ("Action", "IMAX"))
    assert genres_of(spec, movies.movie_id[1]) is None
    assert genres_of(spec, movies.movie_id[2]) == {"Action"}


def test_an_unknown_genre_leaves_the_known_ones(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    assert movies.genres[4] == ("Anime", "Comedy")
    assert genres_of(spec, movies.movie_id[4]) == {"Comedy"}


def test_a_title_without_a_year_leaves_the_year_missing(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    matrix = spec.transform(ask(1, movies.movie_id[2]))
    assert np.isnan(value_of(matrix, "year"))


def test_without_user_movie_and_time_all_base_columns_are_missing(
    spec: FeatureSpec,
) -> None:
    values = spec.transform(ask(2, 10**6)).values
    for column, (name, _) in enumerate(BASE_COLUMNS):
        assert np.isnan(values[:, column]).all() == (name not in GATES)


@pytest.mark.parametrize(
    ("is_known", "time", "case"),
    [
        (False, 1e9, Case.TIME_ALONE),
        (False, np.nan, Case.NEITHER),
        (True, np.nan, Case.USER_ALONE),
        (True, 1e9, Case.BOTH),
    ],
)
def test_a_row_says_which_case_it_is(
    spec: FeatureSpec, is_known: bool, time: float, case: Case
) -> None:
    user_id = spec.users.ids[:1] if is_known else np.array([-1])
    row = RatingQueries(user_id, np.array([1]), np.array([time]))
    [features] = spec.transform(row).values
    found = dict(zip(spec.names, features.tolist(), strict=True))
    assert found["knows"] == case
    assert found["lacks"] == max(Case) - case


# Rows


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
    some = spec.transform(ratings.take(rows).queries()).values
    np.testing.assert_array_equal(some, everything[rows])


def test_a_single_row_is_the_same_as_among_others(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    some = ratings.queries().take(np.arange(0, len(ratings), 7))
    queries = RatingQueries(
        np.append(some.user_id, [-5, 2**63 - 1]),
        np.append(some.movie_id, [-(2**63), 0]),
        np.append(some.timestamp, [np.nan, 0.0]),
    )
    rows = [spec.values(queries.take(np.array([i]))) for i in range(len(queries))]
    np.testing.assert_array_equal(np.vstack(rows), spec.values(queries))


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(0, 40))
def test_unknown_ids_are_counted_while_features_are_made(
    spec: FeatureSpec, seed: int, n_rows: int
) -> None:
    rng = np.random.default_rng(seed)
    user_id = rng.choice(np.append(spec.users.ids[:3], [-5, 2**63 - 1]), n_rows)
    movie_id = rng.choice(np.append(spec.movies.movie_id[:3], [-(2**63), 0]), n_rows)
    queries = RatingQueries(user_id, movie_id, np.full(n_rows, np.nan))
    is_user = spec.users.index(user_id) < 0
    is_movie = spec.movie_index.index(movie_id) < 0
    expected = tuple(
        int(each.sum()) for each in (is_user | is_movie, is_user, is_movie)
    )

    values, unknown = spec.values_and_unknown(queries)
    assert unknown == (expected if expected[0] else None)
    np.testing.assert_array_equal(values, spec.values(queries))


def test_without_timestamps_and_years_features_are_missing(
    ratings: RatingTable, movies: MovieTable
) -> None:
    untimed = RatingTable.of(ratings.user_id, ratings.movie_id, ratings.rating, None)
    no_year = np.zeros_like(movies.year)
    yearless = MovieTable(movies.movie_id, movies.title, movies.genres, no_year)
    matrix = FeatureSpec.fit(untimed, yearless).transform_fitted(untimed)
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


# Training rows


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_fitting_does_not_depend_on_row_order(
    ratings: RatingTable, movies: MovieTable, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(ratings))
    shuffled = ratings.take(order)
    first = FeatureSpec.fit(ratings, movies)
    second = FeatureSpec.fit(shuffled, movies)
    np.testing.assert_array_equal(
        second.transform_fitted(shuffled).values,
        first.transform_fitted(ratings).values[order],
    )
    here = spec_to_arrays(first)
    there = spec_to_arrays(second)
    for name in here:
        np.testing.assert_array_equal(here[name], there[name])


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


@pytest.mark.parametrize("group", GROUPS)
def test_a_fold_has_the_features_of_a_fit_on_the_other_rows_alone(
    ratings: RatingTable, movies: MovieTable, group: str
) -> None:
    """Bit for bit, though folds are fitted together, and each by several threads."""
    spec = FeatureSpec.fit(ratings, movies, (group,))
    with Workers(3) as workers:
        together = spec.transform_fitted(ratings, workers=workers).values
    fold = fold_of(ratings)
    for held_out in np.unique(fold):
        others = ratings.take(np.flatnonzero(fold != held_out))
        alone = FeatureSpec.fit(others, movies, (group,), spec.scale)
        np.testing.assert_array_equal(alone.users.ids, spec.users.ids)
        rows = np.flatnonzero(fold == held_out)
        expected = alone.transform(ratings.take(rows).queries()).values
        np.testing.assert_array_equal(together[rows], expected)


@pytest.mark.parametrize("n_threads", [2, 5])
def test_what_is_fitted_does_not_depend_on_the_number_of_threads(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable, n_threads: int
) -> None:
    with Workers(n_threads) as workers:
        shared = FeatureSpec.fit(ratings, movies, workers=workers)
    here = spec_to_arrays(spec)
    there = spec_to_arrays(shared)
    for name in here:
        np.testing.assert_array_equal(here[name], there[name])


def test_a_report_names_each_group_before_it_is_fitted(
    ratings: RatingTable, movies: MovieTable
) -> None:
    reported: list[tuple[str, int]] = []
    FeatureSpec.fit(
        ratings,
        movies,
        ("clock", "pace"),
        report=lambda name, n_done: reported.append((name, n_done)),
    )
    assert reported == [("clock", 0), ("pace", 1)]


def test_a_row_without_others_is_refused(
    ratings: RatingTable, movies: MovieTable
) -> None:
    alone = ratings.take(np.array([0]))
    with pytest.raises(DataError, match="1 training rows are too few"):
        FeatureSpec.fit(alone, movies).transform_fitted(alone)


def test_blocks_cover_every_row_once(spec: FeatureSpec, ratings: RatingTable) -> None:
    blocks = list(spec.transform_fitted_blocks(ratings, block_rows=7))
    rows = np.concatenate([positions for positions, _ in blocks])
    assert sorted(rows.tolist()) == list(range(len(ratings)))
    whole = spec.transform_fitted(ratings).values
    for positions, block in blocks:
        assert len(positions) <= 7
        np.testing.assert_array_equal(block.values, whole[positions])


def test_only_wanted_rows_are_made(spec: FeatureSpec, ratings: RatingTable) -> None:
    wanted = np.zeros(len(ratings), dtype=np.bool_)
    wanted[[3, 200]] = True
    blocks = spec.transform_fitted_blocks(ratings, wanted=wanted)
    rows = np.concatenate([positions for positions, _ in blocks])
    assert sorted(rows.tolist()) == [3, 200]


def test_shuffled_test_labels_change_no_feature(
    ratings: RatingTable, movies: MovieTable
) -> None:
    train = ratings.take(np.arange(300))
    test = ratings.take(np.arange(300, 400))
    shuffled = RatingTable.of(
        test.user_id, test.movie_id, test.rating[::-1].copy(), test.timestamp
    )
    spec = FeatureSpec.fit(train, movies)
    np.testing.assert_array_equal(
        spec.transform(test.queries()).values, spec.transform(shuffled.queries()).values
    )


# A view by the history that a request brings along


def test_a_users_own_training_rows_as_history_give_the_trained_features(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    rows = np.flatnonzero(of_same_user(ratings))[::-1]
    view = spec.with_user_history(
        int(ratings.user_id[ROW]),
        ratings.movie_id[rows],
        ratings.rating[rows],
        timestamps_of(ratings)[rows],
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
    query = ask(NEW_USER, int(movies.movie_id[9]), 1.4e9)
    liked = spec.with_user_history(NEW_USER, ids, np.full(4, 5.0)).transform(query)
    hated = spec.with_user_history(NEW_USER, ids, np.full(4, 0.5)).transform(query)
    assert value_of(liked, "blend") > value_of(hated, "blend")


def test_an_empty_history_is_that_of_an_unknown_user(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    no_movies = np.empty(0, dtype=np.int64)
    view = spec.with_user_history(5, no_movies, np.empty(0))
    query = ask(NEW_USER, int(movies.movie_id[9]), 1.4e9)
    np.testing.assert_array_equal(
        view.transform(query).values, spec.transform(query).values
    )


def test_a_history_is_cut_to_as_many_ratings_as_training_kept(
    ratings: RatingTable, movies: MovieTable
) -> None:
    spec = FeatureSpec.fit(ratings, movies, latest_kept=3)
    rows = np.flatnonzero(of_same_user(ratings))
    own = ratings.take(rows)
    view = spec.with_user_history(NEW_USER, own.movie_id, own.rating)
    assert len(view.profiles.older) == len(rows) - 3


def test_without_kept_ratings_a_model_still_answers(
    ratings: RatingTable, movies: MovieTable
) -> None:
    everything = tuple(GROUPS)
    spec = FeatureSpec.fit(ratings, movies, everything, latest_kept=0)
    arrays = spec_to_arrays(spec)
    for name in ("movie_index", "class_index", "residual", "time"):
        assert len(arrays[f"profiles.{name}"]) == 1  # that of the unknown user
    assert not arrays["profiles.older_start"][:-1].any()

    values = spec.values(ratings.queries())
    column = spec.names.index("user_log_count")
    assert np.all(values[:, column] > 0)


@pytest.mark.parametrize(
    ("movie_id", "rating", "fault"),
    [
        ([10**6], [3.0], "movie 1000000 is not in the catalogue"),
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
    some_movie = int(movies.movie_id[4])
    ids = np.array([value or some_movie for value in movie_id])
    with pytest.raises(DataError, match=fault):
        spec.with_user_history(1, ids, np.array(rating))
