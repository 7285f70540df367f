from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.queries import RatingQueries
from movielens.ratings import WHOLE_STARS
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import timestamps_of

GROUPS = ("statistics", "era")
NOBODY = 10**9


def column(
    spec: FeatureSpec, name: str, user_id: int, seconds: float
) -> NDArray[np.float32]:
    """One column of all movies, for one user at one time."""
    movie_id = spec.movies.movie_id.astype(np.int64)
    n_movies = len(movie_id)
    queries = RatingQueries(
        np.full(n_movies, user_id), movie_id, np.full(n_movies, seconds)
    )
    return spec.transform(queries).values[:, spec.names.index(name)]


def whole_before(ratings: RatingTable, seconds: float) -> RatingTable:
    """The same rows, with half stars rounded up before that time."""
    is_early = timestamps_of(ratings) < seconds
    rounded = ratings.half_stars + ratings.half_stars % 2
    half_stars = np.where(is_early, rounded, ratings.half_stars).astype(np.uint8)
    return replace(ratings, half_stars=half_stars)


@pytest.fixture(scope="module")
def later_half_stars(ratings: RatingTable) -> RatingTable:
    return whole_before(ratings, 1_200_000_000)


def first_half(ratings: RatingTable) -> float:
    return float(timestamps_of(ratings)[ratings.half_stars % 2 == 1].min())


def test_half_stars_are_there_from_the_first_one_on(
    later_half_stars: RatingTable, movies: MovieTable
) -> None:
    spec = FeatureSpec.fit(later_half_stars, movies, GROUPS)
    moment = first_half(later_half_stars)
    assert moment > 1_200_000_000
    for user_id in (1, NOBODY):
        assert np.all(column(spec, "era_half_stars", user_id, moment - 1) == 0)
        assert np.all(column(spec, "era_half_stars", user_id, moment) == 1)
        assert np.isnan(column(spec, "era_half_stars", user_id, np.nan)).all()


def test_data_of_whole_stars_or_without_times_has_no_such_columns(
    ratings: RatingTable, movies: MovieTable
) -> None:
    no_halves = whole_before(ratings, np.inf)
    no_times = replace(ratings, timestamp=None)
    for table in (no_halves, no_times):
        spec = FeatureSpec.fit(table, movies, GROUPS)
        assert "era_half_stars" not in spec.names
        again = spec_from_arrays(spec_to_arrays(spec))
        values = spec.values(table.queries())
        np.testing.assert_array_equal(again.values(table.queries()), values)


def test_a_scale_with_half_stars_that_no_row_has_yet_is_before_them(
    ratings: RatingTable, movies: MovieTable, spec: FeatureSpec
) -> None:
    no_halves = whole_before(ratings, np.inf)
    assert set(no_halves.rating.tolist()) <= set(WHOLE_STARS)
    fitted = FeatureSpec.fit(no_halves, movies, GROUPS, spec.scale)
    assert np.all(column(fitted, "era_half_stars", 1, 2e9) == 0)


def test_the_only_half_star_does_not_see_itself(
    ratings: RatingTable, movies: MovieTable
) -> None:
    rows = np.flatnonzero(ratings.half_stars % 2)
    only = rows[np.argmin(timestamps_of(ratings)[rows])]
    half_stars = whole_before(ratings, np.inf).half_stars.copy()
    half_stars[only] = ratings.half_stars[only]
    table = replace(ratings, half_stars=half_stars)

    spec = FeatureSpec.fit(table, movies, GROUPS)
    place = spec.names.index("era_half_stars")
    out_of_fold = spec.transform_fitted(table).values[:, place]
    as_asked = spec.values(table.queries())[:, place]
    assert as_asked[only] == 1
    # Nor do the rows of its fold see it.
    assert out_of_fold[only] == 0
    assert np.all(out_of_fold <= as_asked)
    assert np.any(out_of_fold == 1)
