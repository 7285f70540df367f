from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.blend import BLENDS, Blend
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import features_of


def test_a_blend_is_the_weighted_sum_of_its_terms(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    features = features_of(spec, ratings)
    for column, weights in BLENDS:
        terms = (features[name] * weight for name, weight in weights.items())
        expected = sum(0 if np.isnan(term) else term for term in terms)
        assert features[column.name] == pytest.approx(expected, abs=1e-5)


def test_a_blend_has_the_terms_that_are_there(
    ratings: RatingTable, movies: MovieTable
) -> None:
    spec = FeatureSpec.fit(ratings, movies, ("statistics",))
    assert [blend.column.name for blend in spec.blends] == ["blend_taste", "blend"]
    assert spec.blends[0].terms == ("bias", "user_mean", "movie_mean")


def test_without_any_term_there_is_no_blend(
    ratings: RatingTable, movies: MovieTable
) -> None:
    assert FeatureSpec.fit(ratings, movies, ("affinity",)).blends == ()


def test_a_term_that_is_no_column_is_refused() -> None:
    (blend, *_) = Blend.among(("bias",))
    with pytest.raises(ValueError, match="not in tuple"):
        blend.tables(("year",))
