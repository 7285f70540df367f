from __future__ import annotations

import pytest

from movielens.feature_words import reason_of
from movielens.features import FeatureSpec
from movielens.features.groups import GROUPS
from movielens.tables import MovieTable, RatingTable


def test_every_feature_has_a_reason(ratings: RatingTable, movies: MovieTable) -> None:
    spec = FeatureSpec.fit(ratings, movies, tuple(GROUPS))
    reasons = {name: reason_of(name).name for name in spec.names}
    assert reasons["movie_mean"] == "the movie's ratings"
    assert reasons["neighbours_share_3"] == "similar movies"
    assert reasons["user_log_count"] == "the user's ratings"
    assert len(set(reasons.values())) == 13


def test_other_names_have_none() -> None:
    with pytest.raises(KeyError, match="moviemean has no reason; give it one"):
        reason_of("moviemean")
