"""What a job tells: metric lines for SageMaker's log scraper, a table for people, files
for programs.

A metric line is ``metric NAME=VALUE``, alone on its line but for the logger's prefix.
`METRIC_DEFINITIONS` are the regexes to send with CreateTrainingJob; they and the lines
come from here, so they can't part.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from movielens.columns import MOVIE_ID, RATING, USER_ID
from movielens.evaluation import Figures
from movielens.predictions import Predictions
from movielens.tables import RatingTable

_FIGURES = ("accuracy", "rmse", "mae", "log_loss", "quadratic_weighted_kappa")
METRIC_NAMES = (
    *(f"{part}:{name}" for part in ("train", "test") for name in _FIGURES),
    "validation:mlogloss",
)
METRIC_DEFINITIONS = tuple(
    {"Name": name, "Regex": rf"metric {name}=(-?[0-9]+\.[0-9]+)"}
    for name in METRIC_NAMES
)


def metric_line(name: str, value: float) -> str:
    """One metric as the published regexes read it."""
    return f"metric {name}={value:.6f}"


def metric_lines(part: str, figures: Figures) -> Iterator[str]:
    """All metrics of a part, ``train`` or ``test``."""
    return (metric_line(f"{part}:{name}", getattr(figures, name)) for name in _FIGURES)


def predictions_csv(test: RatingTable, predictions: Predictions) -> bytes:
    """The test rows in the split's order: ids, rating, predicted rating and expected
    rating, all in stars.
    """
    columns = {
        USER_ID: test.user_id,
        MOVIE_ID: test.movie_id,
        RATING: test.rating,
        "predicted": predictions.rating,
        "expected_rating": predictions.expected_rating,
    }
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode()
