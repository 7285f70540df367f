"""The task of all servers: raw ids in, ratings out, by the same artifact, its booster
evaluated by XGBoost itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from movielens import artifact
from movielens.model import Model
from movielens.queries import RatingQueries


def load() -> Model:
    """The model in MODEL_DIR."""
    return artifact.load(Path(os.environ["MODEL_DIR"]))


def queries_of(user_id: Any, movie_id: Any, timestamp: Any) -> RatingQueries:
    """Columns of anything that numpy takes for numbers."""
    return RatingQueries(
        np.asarray(user_id, dtype=np.int64).ravel(),
        np.asarray(movie_id, dtype=np.int64).ravel(),
        np.asarray(timestamp, dtype=np.float64).ravel(),
    )


def predictions_of(model: Model, queries: RatingQueries) -> list[dict[str, Any]]:
    """What a JSON answer says of each row."""
    scores = model.predict(queries)
    ratings: Sequence[float] = scores.rating.tolist()
    rows = zip(
        ratings,
        scores.expected_rating.tolist(),
        scores.probabilities.tolist(),
        strict=True,
    )
    return [
        {"rating": rating, "expected_rating": mean, "probabilities": probabilities}
        for rating, mean, probabilities in rows
    ]
