"""Hides the movie from some training rows, as if it were unknown.

The catalogue lists every movie of the training rows. So no training row would lack the
features of its movie, and the booster would never learn what to answer for a movie that
isn't listed. Users and timestamps need no hiding (`train.schedule`).
"""

from __future__ import annotations

import numpy as np

from movielens.queries import RatingQueries

# No movie has this id: the readers refuse ids below 0.
UNKNOWN_ID = -1


def hide(queries: RatingQueries, share: float, seed: int) -> RatingQueries:
    """The same rows, with an unknown movie in a random ``share`` of them."""
    rng = np.random.default_rng(seed)
    is_hidden = rng.random(len(queries)) < share
    movie_id = np.where(is_hidden, UNKNOWN_ID, queries.movie_id)
    return RatingQueries(queries.user_id, movie_id, queries.timestamp)
