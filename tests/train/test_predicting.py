"""Predictions in pieces are the same as all at once."""

from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.tables import RatingTable
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters
from train.predicting import predict


@pytest.fixture(scope="module")
def model(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> Model:
    hyperparameters = Hyperparameters(num_round=3, max_depth=3, nthread=1)
    context = TrainingContext(hyperparameters)
    boosters = fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)
    return Model(spec, boosters.classes)


def test_predictions_do_not_depend_on_the_pieces(
    model: Model, ratings: RatingTable
) -> None:
    whole = model.predict(ratings.queries())
    pieces = predict(model, ratings, piece_rows=9)
    np.testing.assert_array_equal(pieces.probabilities, whole.probabilities)
    np.testing.assert_array_equal(pieces.expected_rating, whole.expected_rating)


def test_no_rows_have_no_predictions(model: Model, ratings: RatingTable) -> None:
    no_rows = ratings.take(np.empty(0, dtype=np.int64))
    assert predict(model, no_rows).n_rows == 0
