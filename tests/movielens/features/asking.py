"""How the tests ask a spec for features of single rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureMatrix, FeatureSpec
from movielens.queries import RatingQueries
from movielens.tables import RatingTable

# A row of the small ratings like any other.
ROW = 7


def ask(user_id: int, movie_id: int, timestamp: float = np.nan) -> RatingQueries:
    """One query."""
    return RatingQueries(
        np.array([user_id], dtype=np.int64),
        np.array([movie_id], dtype=np.int64),
        np.array([timestamp]),
    )


def value_of(matrix: FeatureMatrix, name: str) -> float:
    """A feature of the first row."""
    return float(matrix.values[0, matrix.names.index(name)])


def features_of(
    spec: FeatureSpec, ratings: RatingTable, row: int = ROW
) -> dict[str, float]:
    """The features of one of the ratings, by name."""
    one = ratings.take(np.array([row]))
    matrix = spec.transform(one.queries())
    values = matrix.values[0].tolist()
    return dict(zip(matrix.names, values, strict=True))


def of_same_user(ratings: RatingTable, row: int = ROW) -> NDArray[np.bool_]:
    """Which ratings are by the user of a row."""
    mask: NDArray[np.bool_] = ratings.user_id == ratings.user_id[row]
    return mask


def user_index_of(ratings: RatingTable, row: int = ROW) -> int:
    """The dense index of the user of a row."""
    users = np.unique(ratings.user_id)
    return int(np.searchsorted(users, ratings.user_id[row]))


def timestamps_of(ratings: RatingTable) -> NDArray[np.float64]:
    """Seconds since 1970; the small ratings have them."""
    assert ratings.timestamp is not None
    return ratings.timestamp.astype(np.float64)
