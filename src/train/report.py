"""What a job tells: metric lines for SageMaker's log scraper, a table for people, files
for programs.

A metric line is ``metric NAME=VALUE``, alone on its line but for the logger's prefix.
`METRIC_DEFINITIONS` are the regexes to send with CreateTrainingJob; they and the lines
come from here, so they can't part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from movielens.columns import MOVIE_ID, RATING, USER_ID
from movielens.model import Scores
from movielens.tables import RatingTable
from train.evaluation import Figures

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


def summary(figures: Mapping[str, Figures]) -> str:
    """A table, one line a predictor: shares of rows by distance in classes, then errors
    in stars.
    """
    rows: list[tuple[str, ...]] = [
        (
            "",
            "rows",
            "exact",
            "1 off",
            "2 off",
            "more",
            "RMSE",
            "MAE",
            "log-loss",
            "kappa",
        )
    ]
    for name, f in figures.items():
        shares = (f"{100 * share:.1f} %" for share in f.distance.values())
        errors = (
            f"{value:.3f}"
            for value in (f.rmse, f.mae, f.log_loss, f.quadratic_weighted_kappa)
        )
        rows.append((name, f"{f.n_rows:,}", *shares, *errors))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Iterable[str], widths: list[int]) -> str:
    first, *rest = (
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest])


def predictions_csv(
    test: RatingTable, scores: Scores, class_values: tuple[float, ...]
) -> bytes:
    """The test rows in the split's order: ids, rating, predicted rating and expected
    rating, all in stars.
    """
    columns = {
        USER_ID: test.user_id,
        MOVIE_ID: test.movie_id,
        RATING: test.rating,
        "predicted": np.asarray(class_values)[scores.class_index],
        "expected_rating": scores.expected_rating,
    }
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode()
