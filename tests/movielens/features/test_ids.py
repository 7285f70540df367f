from __future__ import annotations

import numpy as np

from movielens.features import FeatureSpec
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import ROW, ask, features_of, value_of


def test_ids_are_the_raw_ones_and_unknown_ones_are_missing(
    ratings: RatingTable, movies: MovieTable
) -> None:
    spec = FeatureSpec.fit(ratings, movies, ("ids",))
    features = features_of(spec, ratings)
    assert features["userId"] == ratings.user_id[ROW]
    assert features["movieId"] == ratings.movie_id[ROW]
    unknown = spec.transform(ask(10**9, 10**9))
    assert np.isnan(value_of(unknown, "userId"))
    assert np.isnan(value_of(unknown, "movieId"))
