"""The notebook tutorial that this project began from: features, learner, figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from movielens.columns import GENRES
from movielens.tables import MovieTable, RatingTable

COLUMNS = ["userId", "movieId", "timestamp", *GENRES]

# The settings of its learner, under the names of our hyperparameters.
SETTINGS: dict[str, Any] = {"num_round": 30, "max_depth": 6, "eta": 0.3}

# The same features made by us.
FEATURES = ("ids",)


def genres_by_movie(movies: MovieTable) -> dict[int, tuple[str, ...]]:
    """The genres of each movie, by its id."""
    return dict(zip(movies.movie_id.tolist(), movies.genres, strict=True))


def loop_features(
    ratings: RatingTable, genres_of: dict[int, tuple[str, ...]]
) -> pd.DataFrame:
    """Ids, time and genre flags, made row by row in a Python loop, as it does."""
    frame = pd.DataFrame(
        {
            "userId": ratings.user_id,
            "movieId": ratings.movie_id,
            "timestamp": ratings.timestamp,
        }
    )
    rows = []
    for user_id, movie_id, timestamp in frame.itertuples(index=False, name=None):
        features = {
            "userId": user_id,
            "movieId": movie_id,
            "timestamp": timestamp,
            **dict.fromkeys(GENRES, 0),
        }
        for genre in genres_of[movie_id]:
            features[genre] = 1
        rows.append(features)
    return pd.DataFrame(rows)


def shares_as_published(
    predicted: NDArray[np.int64], true_class: NDArray[np.int64]
) -> dict[str, float]:
    """Shares of rows by their distance in classes, computed as the notebook does.

    It has two faults. It loses the first character of its predictions, which makes the
    first one class 0, so every column of its cross table is off by one. And it counts
    the column of labels into the total.

    Args:
        predicted: int64 (n_rows,), classes from 0.
        true_class: int64 (n_rows,), classes from 0.
    """
    n_columns = 10
    shifted = predicted + 1
    shifted[0] = 0
    cross_table = pd.crosstab(true_class + 1, shifted).iloc[:, :n_columns]

    labels = cross_table.index.to_numpy()
    total = int(labels.sum() + cross_table.to_numpy().sum())

    counts = np.zeros(4, dtype=np.int64)
    for label, *cells in cross_table.itertuples():
        for place, count in enumerate(cells, start=1):
            distance = min(abs(label - place), 3)
            counts[distance] += count
    shares = (counts / total).tolist()
    return dict(zip(("0", "1", "2", "more"), shares, strict=True))
