"""Movies hidden from some training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.tables import MovieTable, RatingTable
from train.hiding import UNKNOWN_ID, hide


@pytest.mark.parametrize("share", [0, 0.3])
def test_movies_are_hidden_in_their_share_and_nothing_else_changes(
    ratings: RatingTable, share: float
) -> None:
    queries = ratings.queries()
    hidden = hide(queries, share, seed=1)
    is_hidden = hidden.movie_id == UNKNOWN_ID
    assert is_hidden.mean() == pytest.approx(share, abs=0.08)

    kept = hidden.movie_id[~is_hidden]
    np.testing.assert_array_equal(kept, queries.movie_id[~is_hidden])
    np.testing.assert_array_equal(hidden.user_id, queries.user_id)
    np.testing.assert_array_equal(hidden.timestamp, queries.timestamp)


def test_the_seed_decides_which_rows(ratings: RatingTable) -> None:
    queries = ratings.queries()
    first = hide(queries, 0.3, seed=1)
    again = hide(queries, 0.3, seed=1)
    other = hide(queries, 0.3, seed=2)
    assert first.movie_id.tolist() == again.movie_id.tolist()
    assert first.movie_id.tolist() != other.movie_id.tolist()


def test_a_hidden_movie_has_the_features_of_an_unknown_one(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    hidden = hide(ratings.queries(), 0.3, seed=1)
    values = spec.transform(hidden).values
    movie_bias = values[:, spec.names.index("movie_bias")]
    is_hidden = hidden.movie_id == UNKNOWN_ID
    assert (movie_bias[is_hidden] == 0).all()
    assert (movie_bias[~is_hidden] != 0).all()


def test_a_hidden_movie_is_unknown_even_if_ids_count_from_0(
    ratings: RatingTable, movies: MovieTable
) -> None:
    lowest = movies.movie_id.min()
    from_0 = replace(movies, movie_id=movies.movie_id - lowest)
    their_ratings = replace(ratings, movie_id=ratings.movie_id - lowest)
    spec = FeatureSpec.fit(their_ratings, from_0)
    assert spec.movie_index.index(np.array([0])) == 0
    assert spec.movie_index.index(np.array([UNKNOWN_ID])) == -1
