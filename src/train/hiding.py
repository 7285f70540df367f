"""Training rows as the model will meet unknown ones: with the user, the movie or the time hidden from some of them.

Every training row has all three, so without this the booster would never learn where to send what is missing, and a
request without a timestamp or of a new user would be answered by the accident of a default branch.
"""

from __future__ import annotations

import numpy as np

from movielens.queries import RatingQueries

# MovieLens counts from 1.
UNKNOWN_ID = 0


def hide(queries: RatingQueries, share: float, seed: int) -> RatingQueries:
    """Hide each of the three in a ``share`` of the rows, independently of each other, drawn by ``seed``."""
    hides_user, hides_movie, hides_time = np.random.default_rng(seed).random((3, len(queries))) < share
    return RatingQueries(
        np.where(hides_user, UNKNOWN_ID, queries.user_id),
        np.where(hides_movie, UNKNOWN_ID, queries.movie_id),
        np.where(hides_time, np.nan, queries.timestamp),
    )
