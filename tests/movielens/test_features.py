from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.columns import GENRES
from movielens.features import FEATURE_NAMES, FeatureMatrix, FeatureSpec, IdIndex
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable

IDS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


@pytest.fixture(scope="module")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies)


def ask(user_id: int, movie_id: int, timestamp: float = np.nan) -> RatingQueries:
    return RatingQueries(
        np.array([user_id], dtype=np.int64), np.array([movie_id], dtype=np.int64), np.array([timestamp])
    )


def column(matrix: FeatureMatrix, name: str) -> float:
    return float(matrix.values[0, matrix.names.index(name)])


def flags(spec: FeatureSpec, movie_id: int) -> dict[str, float]:
    matrix = spec.transform(ask(1, movie_id))
    return {genre: column(matrix, f"genre_{genre}") for genre in GENRES}


def test_a_row_holds_ids_time_genres_and_year(spec: FeatureSpec, ratings: RatingTable, movies: MovieTable) -> None:
    row = 5
    place = movies.movie_id.tolist().index(ratings.movie_id[row])
    matrix = spec.transform(ratings.take(np.array([row])).queries())
    assert matrix.names == FEATURE_NAMES
    assert column(matrix, "userId") == ratings.user_id[row]
    assert column(matrix, "movieId") == ratings.movie_id[row]
    assert ratings.timestamp is not None
    assert column(matrix, "timestamp") == np.float32(ratings.timestamp[row])
    assert column(matrix, "year") == movies.year[place]
    assert {g for g in GENRES if column(matrix, f"genre_{g}")} == set(movies.genres[place])


def test_genres_that_nobody_listed_are_missing_not_absent(spec: FeatureSpec, movies: MovieTable) -> None:
    assert all(np.isnan(flag) for flag in flags(spec, movies.movie_id[0]).values())


def test_imax_is_no_genre(spec: FeatureSpec, movies: MovieTable) -> None:
    assert all(np.isnan(flag) for flag in flags(spec, movies.movie_id[1]).values())
    assert {g for g, flag in flags(spec, movies.movie_id[2]).items() if flag} == {"Action"}


def test_a_genre_of_the_users_own_leaves_the_known_ones(spec: FeatureSpec, movies: MovieTable) -> None:
    assert {g for g, flag in flags(spec, movies.movie_id[4]).items() if flag} == {"Comedy"}


def test_no_year_is_missing(spec: FeatureSpec, movies: MovieTable) -> None:
    assert np.isnan(column(spec.transform(ask(1, movies.movie_id[2])), "year"))


def test_what_is_unknown_is_missing(spec: FeatureSpec) -> None:
    assert np.isnan(spec.transform(ask(2, 10**6)).values).all()


@given(user_id=IDS, movie_id=IDS)
def test_any_ids_have_features(spec: FeatureSpec, user_id: list[int], movie_id: list[int]) -> None:
    n_rows = min(len(user_id), len(movie_id))
    queries = RatingQueries(
        np.array(user_id[:n_rows], dtype=np.int64), np.array(movie_id[:n_rows], dtype=np.int64), np.full(n_rows, np.nan)
    )
    assert spec.transform(queries).values.shape == (n_rows, len(FEATURE_NAMES))


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(1, 60))
def test_features_of_a_row_depend_on_no_other_row(
    spec: FeatureSpec, ratings: RatingTable, seed: int, n_rows: int
) -> None:
    rows = np.random.default_rng(seed).permutation(len(ratings))[:n_rows]
    everything = spec.transform(ratings.queries()).values
    np.testing.assert_array_equal(spec.transform(ratings.take(rows).queries()).values, everything[rows])


@given(seed=st.integers(0, 2**32 - 1))
def test_fitting_does_not_depend_on_row_order_or_on_ratings(
    ratings: RatingTable, movies: MovieTable, seed: int
) -> None:
    shuffled = ratings.take(np.random.default_rng(seed).permutation(len(ratings)))
    other = RatingTable(shuffled.user_id, shuffled.movie_id, shuffled.rating[::-1].copy(), shuffled.timestamp)
    here, there = FeatureSpec.fit(ratings, movies).to_arrays(), FeatureSpec.fit(other, movies).to_arrays()
    for name in here:
        np.testing.assert_array_equal(here[name], there[name])


def test_arrays_give_the_spec_back(spec: FeatureSpec, ratings: RatingTable) -> None:
    again = FeatureSpec.from_arrays(spec.to_arrays())
    assert again.movies.title == spec.movies.title
    assert again.movies.genres == spec.movies.genres
    np.testing.assert_array_equal(again.transform(ratings.queries()).values, spec.transform(ratings.queries()).values)


def test_a_matrix_checks_its_names() -> None:
    with pytest.raises(ValueError, match="names 1"):
        FeatureMatrix(np.zeros((3, 2), dtype=np.float32), ("userId",))


@given(ids=st.sets(st.integers(1, 50)), raw=st.lists(st.integers(-5, 60)))
def test_id_index_agrees_with_a_dict(ids: set[int], raw: list[int]) -> None:
    known = sorted(ids)
    place = {value: i for i, value in enumerate(known)}
    found = IdIndex(np.array(known, dtype=np.int64)).index(np.array(raw, dtype=np.int64))
    assert found.tolist() == [place.get(value, -1) for value in raw]
