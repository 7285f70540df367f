"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass

import xgboost

from movielens.evaluation import Evaluation
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.tables import RatingTable


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a report is made from.

    Attributes:
        job: the job's name, empty if it has none.
        model: as it was written.
        booster: its trees of the classes.
        regression: its trees of the regression, if there is one.
        evaluation: all of ``evaluation.json``.
        train: the training rows.
        test: the test rows that were evaluated; possibly none.
        predictions: of the test rows.
        nthread: threads of XGBoost, 0 for as many as there are processors.
    """

    job: str
    model: Model
    booster: xgboost.Booster
    regression: xgboost.Booster | None
    evaluation: Evaluation
    train: RatingTable
    test: RatingTable
    predictions: Predictions
    nthread: int = 0
