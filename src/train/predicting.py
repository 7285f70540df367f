"""Predictions for any number of rows, a piece at a time: only the features of one piece
are in memory at once.
"""

from __future__ import annotations

import numpy as np

from movielens.features.workers import ONE_THREAD, Workers
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.tables import RatingTable

PIECE_ROWS = 131_072


def predict(
    model: Model,
    ratings: RatingTable,
    workers: Workers = ONE_THREAD,
    piece_rows: int = PIECE_ROWS,
) -> Predictions:
    """Predictions for the rows as if their ratings weren't known, in their order.

    Args:
        model: what predicts.
        ratings: any rows, possibly none.
        workers: the threads that make the features. The predictions depend neither on
            them nor on the pieces.
        piece_rows: rows of a piece.
    """
    pieces: list[Predictions] = []
    # Without rows there is one empty piece.
    for first in range(0, max(len(ratings), 1), piece_rows):
        end = min(first + piece_rows, len(ratings))
        piece = ratings.take(np.arange(first, end))
        features = model.spec.values(piece.queries(), workers)
        pieces.append(model.predict_features(features))
    return Predictions.concatenate(pieces)
