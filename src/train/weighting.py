"""Weights of training rows in the rounds that answer unknown users.

A few users hold most of the rows, so the mean row isn't the mean user. For a user whom
training never saw, the mean user is the better guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def user_weights(
    user_id: NDArray[np.integer[Any]], evenness: float
) -> NDArray[np.float32]:
    """The weight of each row, float32 (n_rows,), 1 on average.

    A row of a user with n rows weighs n to the power of -evenness, times a factor.

    Args:
        user_id: raw ids of all training rows, those of all hosts.
        evenness: 0 makes all rows alike, 1 makes all users alike.

    Example:
        >>> user_weights(np.array([7, 8, 8, 8]), evenness=1.0).tolist()
        [2.0, 0.6666666865348816, 0.6666666865348816, 0.6666666865348816]
    """
    _, user_index, counts = np.unique(user_id, return_inverse=True, return_counts=True)
    n_rows_of_user = counts[user_index].astype(np.float64)
    weight = n_rows_of_user**-evenness
    scaled: NDArray[np.float32] = (weight / weight.mean()).astype(np.float32)
    return scaled
