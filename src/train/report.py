"""What a job reports: metric lines for SageMaker, predictions for programs.

A metric line is ``metric NAME=VALUE``; only the logger's prefix comes before it.
SageMaker finds the values in the log by the regular expressions of
`METRIC_DEFINITIONS`, which are sent with CreateTrainingJob.
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
    *(f"train:{name}" for name in _FIGURES),
    *(f"test:{name}" for name in _FIGURES),
    "validation:mlogloss",
)
METRIC_DEFINITIONS = tuple(
    {"Name": name, "Regex": rf"metric {name}=(-?[0-9]+\.[0-9]+)"}
    for name in METRIC_NAMES
)


def metric_line(name: str, value: float) -> str:
    """One metric, as the regular expressions read it.

    Example:
        >>> metric_line("test:rmse", 0.875)
        'metric test:rmse=0.875000'
    """
    return f"metric {name}={value:.6f}"


def metric_lines(part: str, figures: Figures) -> Iterator[str]:
    """All metrics of a part, ``train`` or ``test``."""
    for name in _FIGURES:
        yield metric_line(f"{part}:{name}", getattr(figures, name))


def predictions_csv(test: RatingTable, predictions: Predictions) -> bytes:
    """The test rows as CSV, in the order of the split.

    The columns are the ids, the rating, the predicted rating and the expected rating,
    all three in stars.
    """
    columns = {
        USER_ID: test.user_id,
        MOVIE_ID: test.movie_id,
        RATING: test.rating,
        "predicted": predictions.rating,
        "expected_rating": predictions.expected_rating,
    }
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode()
