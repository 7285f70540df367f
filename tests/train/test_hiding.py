from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.tables import MovieTable, RatingTable
from train.hiding import hide


def test_nothing_hidden_is_the_same_rows(ratings: RatingTable) -> None:
    queries = ratings.queries()
    hidden = hide(queries, 0, 1)
    for name in ("user_id", "movie_id", "timestamp"):
        np.testing.assert_array_equal(getattr(hidden, name), getattr(queries, name))


def test_each_column_is_hidden_in_its_share_and_by_itself(ratings: RatingTable) -> None:
    hidden = hide(ratings.queries(), 0.3, 1)
    masks = np.array([hidden.user_id == 0, hidden.movie_id == 0, np.isnan(hidden.timestamp)])
    assert masks.mean(axis=1) == pytest.approx(0.3, abs=0.08)
    assert (masks.sum(axis=0) == 1).any()
    assert np.corrcoef(masks)[np.triu_indices(3, 1)] == pytest.approx(0, abs=0.15)


def test_the_seed_decides(ratings: RatingTable) -> None:
    first, again, other = (hide(ratings.queries(), 0.3, seed).user_id.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_what_is_hidden_has_the_features_of_what_is_unknown(ratings: RatingTable, movies: MovieTable) -> None:
    spec = FeatureSpec.fit(ratings, movies)
    hidden = hide(ratings.queries(), 0.3, 1)
    values = spec.transform(hidden).values
    np.testing.assert_array_equal(np.isnan(values[:, 0]), hidden.user_id == 0)
    np.testing.assert_array_equal(np.isnan(values[:, 1]), hidden.movie_id == 0)
    np.testing.assert_array_equal(np.isnan(values[:, 2]), np.isnan(hidden.timestamp))
