from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from movielens.errors import RequestError
from movielens.features import FeatureSpec
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.tables import MovieTable, RatingTable
from serve.candidates import Candidates
from serve.questions import Wanted
from serve.served_model import ServedModel


@pytest.fixture(scope="module")
def candidates(served: ServedModel) -> Candidates:
    return served.candidates


def places(passes: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> set[int]:
    return set(np.flatnonzero(passes).tolist())


def test_filters_choose_movies(candidates: Candidates, ratings: RatingTable) -> None:
    movies = candidates.movies
    counts = [int((ratings.movie_id == movie_id).sum()) for movie_id in movies.movie_id]
    middle_count = sorted(counts)[len(counts) // 2]
    years = movies.year.tolist()
    middle_year = sorted(years)[5]

    def passing(
        genres: tuple[str, ...] = (),
        year_from: int | None = None,
        year_to: int | None = None,
        min_ratings: int = 0,
    ) -> set[int]:
        wanted = Wanted(1, genres, year_from, year_to, min_ratings)
        return places(candidates.passing(wanted))

    def where(passes: Callable[[int], bool]) -> set[int]:
        return {place for place in range(len(movies)) if passes(place)}

    assert passing() == where(lambda _: True)
    assert passing(genres=("sci-fi", "IMAX")) == where(
        lambda place: bool({"Sci-Fi", "IMAX"} & set(movies.genres[place]))
    )
    assert passing(min_ratings=middle_count) == where(
        lambda place: counts[place] >= middle_count
    )
    assert passing(year_from=middle_year) == where(
        lambda place: years[place] >= middle_year
    )
    assert passing(year_to=middle_year) == where(
        lambda place: 0 < years[place] <= middle_year
    )
    assert passing(year_from=max(years) + 1) == set()
    assert passing(year_from=0) == where(lambda place: years[place] > 0)


def test_a_genre_of_no_movie_is_refused_with_those_that_there_are(
    candidates: Candidates,
) -> None:
    with pytest.raises(RequestError, match=r"no movie has 'Opera', .* 'Action', "):
        candidates.passing(Wanted(1, genres=("Opera",)))


def test_ratings_beyond_the_profile_count_too() -> None:
    """A profile keeps the latest thousand ratings of a user."""
    n_movies = 1100
    movie_id = np.arange(1, n_movies + 1, dtype=np.int32)
    catalogue = MovieTable(
        movie_id,
        tuple(f"Movie {number}" for number in movie_id),
        (("Drama",),) * n_movies,
        np.full(n_movies, 1990, dtype=np.int16),
    )
    user_id = np.append(np.full(n_movies - 1, 1), [2, 2])
    rated = np.append(movie_id[:-1], movie_id[:2])
    ratings = RatingTable.of(
        user_id,
        rated,
        np.resize([1.0, 3.0, 5.0], len(rated)),
        np.arange(10**9, 10**9 + len(rated)),
    )
    fitted = FeatureSpec.fit(ratings, catalogue)
    spec = spec_from_arrays(spec_to_arrays(fitted))
    of_user_1 = spec.profiles.rated(0)
    assert sorted(of_user_1.tolist()) == list(range(n_movies - 1))
    assert sorted(spec.profiles.rated(1).tolist()) == [0, 1]
    assert len(spec.profiles.rated(-1)) == 0
    expected = np.ones(n_movies, dtype=np.int64)
    expected[:2] = 2
    expected[-1] = 0
    assert spec.profiles.counts(n_movies).tolist() == expected.tolist()
