"""A spec and training rows of the small ratings."""

from __future__ import annotations

import pytest

from movielens.features import FeatureSpec, IdIndex
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable


@pytest.fixture(scope="session")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    """Fitted on all ratings, with the default groups."""
    return FeatureSpec.fit(ratings, movies)


@pytest.fixture(scope="session")
def training(ratings: RatingTable, movies: MovieTable) -> TrainingRows:
    """The rows that the spec is fitted on."""
    return TrainingRows.of(
        ratings,
        IdIndex.of(ratings.user_id),
        Catalogue.of(movies),
        RatingScale.of(ratings.rating),
    )
