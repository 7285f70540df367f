from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.tables import MovieTable, RatingTable
from train.hiding import hide


@pytest.mark.parametrize("share", [0, 0.3])
def test_movies_are_hidden_in_their_share_and_nothing_else_is(
    ratings: RatingTable, share: float
) -> None:
    queries = ratings.queries()
    hidden = hide(queries, share, 1)
    assert (hidden.movie_id == 0).mean() == pytest.approx(share, abs=0.08)
    seen = hidden.movie_id != 0
    np.testing.assert_array_equal(hidden.movie_id[seen], queries.movie_id[seen])
    for name in ("user_id", "timestamp"):
        np.testing.assert_array_equal(getattr(hidden, name), getattr(queries, name))


def test_the_seed_decides(ratings: RatingTable) -> None:
    first, again, other = (
        hide(ratings.queries(), 0.3, seed).movie_id.tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_what_is_hidden_has_the_features_of_what_is_unknown(
    ratings: RatingTable, movies: MovieTable
) -> None:
    spec = FeatureSpec.fit(ratings, movies)
    hidden = hide(ratings.queries(), 0.3, 1)
    values = spec.transform(hidden).values
    liking = values[:, spec.names.index("movie_bias")]
    assert (liking[hidden.movie_id == 0] == 0).all()
    assert (liking[hidden.movie_id != 0] != 0).all()
