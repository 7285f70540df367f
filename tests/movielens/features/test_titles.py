from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.titles import Titles
from movielens.features.training_rows import TrainingRows
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import ask, value_of

TITLES = (
    "Rocky (1976)",
    "Heat (1995)",
    "Rocky II (1979)",
    "Rocky II (1979)",
    "Se7en (1995)",
)
USER = 5
STARS = {1: 5.0, 2: 2.0, 3: 4.0, 5: 3.0}


@pytest.fixture
def series() -> MovieTable:
    n = len(TITLES)
    return MovieTable(
        movie_id=np.arange(1, n + 1, dtype=np.int32),
        title=TITLES,
        genres=(("Drama",),) * n,
        year=np.full(n, 1995, dtype=np.int16),
    )


@pytest.fixture
def rated() -> RatingTable:
    """One user rated all movies but the second "Rocky II", and another one Heat."""
    user_id = np.array([USER] * len(STARS) + [6])
    movie_id = np.array([*STARS, 2])
    rating = np.array([*STARS.values(), 4.5])
    return RatingTable.of(user_id, movie_id, rating, timestamp=None)


def test_ratings_of_movies_with_similar_titles_count(
    series: MovieTable, rated: RatingTable
) -> None:
    spec = FeatureSpec.fit(rated, series, ("titles",))
    residual = {
        movie_id: rating
        - spec.bias.mean
        - spec.bias.user[0]
        - spec.bias.movie[movie_id - 1]
        for movie_id, rating in STARS.items()
    }
    first, same = (similarity_of(spec, movie_id, to_movie_id=4) for movie_id in (1, 3))

    matrix = spec.transform(ask(USER, 4))

    assert same == 1
    assert value_of(matrix, "titles_weight") == pytest.approx(first + same)
    total = first * residual[1] + same * residual[3]
    expected = total / (first + same + 0.5)
    assert value_of(matrix, "titles_residual") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("user_id", "movie_id"),
    [(USER, 2), (6, 1), (7, 1), (USER, 77)],
    ids=["no such title", "none rated", "unknown user", "unknown movie"],
)
def test_without_such_ratings_all_is_zero(
    series: MovieTable, rated: RatingTable, user_id: int, movie_id: int
) -> None:
    spec = FeatureSpec.fit(rated, series, ("titles",))
    matrix = spec.transform(ask(user_id, movie_id))
    assert value_of(matrix, "titles_weight") == 0
    assert value_of(matrix, "titles_residual") == 0


def test_a_users_history_counts_too(series: MovieTable, rated: RatingTable) -> None:
    spec = FeatureSpec.fit(rated, series, ("titles",))
    movie_id = np.array(list(STARS))
    rating = np.array(list(STARS.values()))
    view = spec.with_user_history(99, movie_id, rating)
    known = spec.transform(ask(USER, 4))
    brought = view.transform(ask(99, 4))
    assert value_of(known, "titles_residual") != 0
    for name in ("titles_residual", "titles_weight"):
        assert value_of(brought, name) == value_of(known, name)


def test_titles_are_compared_once_for_all_folds(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    others = ratings.take(np.arange(len(ratings) // 2))
    fold = spec.refitted(others)
    assert fold.catalogue.similar_titles is spec.catalogue.similar_titles


def test_an_unknown_movie_has_no_similar_titles(training: TrainingRows) -> None:
    titles = Titles.fit(training)
    n_pairs = len(titles.neighbour) - 1
    assert titles.start[training.n_movies :].tolist() == [n_pairs, n_pairs]


def similarity_of(spec: FeatureSpec, movie_id: int, to_movie_id: int) -> float:
    similar = spec.catalogue.similar_titles
    movie = to_movie_id - 1
    start, end = similar.start[movie : movie + 2]
    of = dict(
        zip(
            similar.movie[start:end].tolist(),
            similar.similarity[start:end].tolist(),
            strict=True,
        )
    )
    similarity: float = of[movie_id - 1]
    return similarity
