"""Weights of training rows in the rounds that answer unknown users.

- A few users hold most of the rows, so the mean row isn't the mean user. For a user
  whom training never saw, the mean user is the better guess.
- What people rate, and how, changes over the years. New users are like recent ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters

_SECONDS_PER_YEAR = 365.25 * 86_400


def row_weights(
    ratings: RatingTable, hyperparameters: Hyperparameters
) -> NDArray[np.float32]:
    """The weight of each row, float32 (n_rows,), 1 on average.

    A row weighs n to the power of -`user_evenness`, where n is the number of rows of
    its user, and half as much for each `half_life` years before the latest row.

    Args:
        ratings: all training rows, those of all hosts.
        hyperparameters: of the job.
    """
    _, user_index, counts = np.unique(
        ratings.user_id, return_inverse=True, return_counts=True
    )
    n_rows_of_user = counts[user_index].astype(np.float64)
    weight = n_rows_of_user**-hyperparameters.user_evenness

    if hyperparameters.half_life and ratings.timestamp is not None:
        seconds = ratings.timestamp.max() - ratings.timestamp
        half_lives = seconds / (_SECONDS_PER_YEAR * hyperparameters.half_life)
        weight *= 2.0**-half_lives
    scaled: NDArray[np.float32] = (weight / weight.mean()).astype(np.float32)
    return scaled
