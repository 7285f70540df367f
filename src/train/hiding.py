"""Training rows as the model will meet unknown movies: with the movie hidden from some
of them.

The catalogue lists every movie of the training rows, so without this the booster would
never learn where to send what is missing of a movie. Users and times need no hiding
(`train.schedule`).
"""

from __future__ import annotations

import numpy as np

from movielens.queries import RatingQueries

# MovieLens counts from 1.
UNKNOWN_ID = 0


def hide(queries: RatingQueries, share: float, seed: int) -> RatingQueries:
    """Hide the movie in a ``share`` of the rows, drawn by ``seed``."""
    hides_movie = np.random.default_rng(seed).random(len(queries)) < share
    return RatingQueries(
        queries.user_id,
        np.where(hides_movie, UNKNOWN_ID, queries.movie_id),
        queries.timestamp,
    )
