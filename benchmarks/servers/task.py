"""The task of all servers: raw ids in, ratings out.

All use the same artifact, and XGBoost itself evaluates its booster.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from movielens import artifact
from movielens.model import Model
from movielens.queries import RatingQueries


def load() -> Model:
    """The model in the directory that MODEL_DIR names."""
    return artifact.load(Path(os.environ["MODEL_DIR"]))


def queries_of(user_id: Any, movie_id: Any, timestamp: Any) -> RatingQueries:
    """Queries from columns of anything that numpy takes for numbers."""
    return RatingQueries(
        user_id=np.asarray(user_id, dtype=np.int64).ravel(),
        movie_id=np.asarray(movie_id, dtype=np.int64).ravel(),
        timestamp=np.asarray(timestamp, dtype=np.float64).ravel(),
    )


def predictions_of(model: Model, queries: RatingQueries) -> list[dict[str, Any]]:
    """What a JSON answer says of each row."""
    predictions = model.predict(queries)
    columns = zip(
        predictions.rating.tolist(),
        predictions.expected_rating.tolist(),
        predictions.probabilities.tolist(),
        strict=True,
    )
    return [
        {"rating": rating, "expected_rating": mean, "probabilities": probabilities}
        for rating, mean, probabilities in columns
    ]
