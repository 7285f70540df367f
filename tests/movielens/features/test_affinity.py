from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.training_rows import TrainingRows
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import ask, features_of, user_index_of, value_of


def row_of_genres(
    ratings: RatingTable, movies: MovieTable, genres: tuple[str, ...]
) -> int:
    ids = movies.movie_id.tolist()
    for row, movie_id in enumerate(ratings.movie_id.tolist()):
        if movies.genres[ids.index(movie_id)] == genres:
            return row
    raise AssertionError(f"no rating of a movie with {genres}")


def test_affinity_is_a_shrunk_mean_of_residuals_for_each_genre(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable, training: TrainingRows
) -> None:
    row = row_of_genres(ratings, movies, ("Comedy", "Drama"))
    is_users = training.user_index == user_index_of(ratings, row)
    affinities = []
    for genre in ("Comedy", "Drama"):
        has_genre = np.array([genre in genres for genres in movies.genres])
        rows = is_users & has_genre[training.movie_index]
        affinities.append(training.residual[rows].sum() / (rows.sum() + 8))

    features = features_of(spec, ratings, row)
    assert features["affinity_mean"] == pytest.approx(np.mean(affinities), abs=1e-6)
    assert features["affinity_max"] == pytest.approx(max(affinities), abs=1e-6)
    assert features["affinity_min"] == pytest.approx(min(affinities), abs=1e-6)


def test_affinity_to_genres_that_nobody_listed_is_missing(
    spec: FeatureSpec, movies: MovieTable
) -> None:
    matrix = spec.transform(ask(1, movies.movie_id[0]))
    names = [name for name in matrix.names if name.startswith("affinity_")]
    assert names
    assert all(np.isnan(value_of(matrix, name)) for name in names)
