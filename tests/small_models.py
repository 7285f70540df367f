"""Small models that take no time to train."""

from __future__ import annotations

import xgboost

from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable


def train_small(ratings: RatingTable, movies: MovieTable, n_rounds: int) -> Model:
    """A model without regression; every round has a tree for each class."""
    spec = FeatureSpec.fit(ratings, movies)
    scale = RatingScale.of(ratings.rating)
    matrix = xgboost.DMatrix(
        spec.transform(ratings.queries()).values,
        scale.to_class(ratings.rating),
        feature_names=list(spec.names),
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(scale.class_values),
        "max_depth": 4,
        "nthread": 1,
    }
    return Model(spec, xgboost.train(params, matrix, n_rounds))
