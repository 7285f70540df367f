"""A small model with its data, from which any report can be made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xgboost

from movielens.evaluation import Evaluation
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.report_numbers import ReportNumbers
from movielens.tables import RatingTable
from tests.examples import EVALUATION
from train.baselines import evaluate_baselines
from train.evaluation import evaluate
from train.html_report.material import Material
from train.html_report.numbers import measure
from train.predicting import predict

N_ROUNDS = 6


@pytest.fixture(scope="session")
def material(spec: FeatureSpec, ratings: RatingTable) -> Material:
    """A model of 300 ratings, tested on 100 others."""
    train = ratings.take(np.arange(300))
    test = ratings.take(np.arange(300, 400))
    names = list(spec.names)
    values = spec.transform(train.queries()).values
    classes = xgboost.DMatrix(
        values, spec.scale.to_class(train.rating), feature_names=names
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(spec.scale.class_values),
        "max_depth": 3,
        "nthread": 1,
    }
    booster = xgboost.train(params, classes, N_ROUNDS)
    stars = xgboost.DMatrix(values, train.rating, feature_names=names)
    regression = xgboost.train({"max_depth": 2, "nthread": 1}, stars, 4)

    model = Model(spec, booster, regression=regression)
    predictions = predict(model, test)
    evaluation = replace(
        EVALUATION,
        test=evaluate(predictions, spec.scale.to_class(test.rating)),
        train=evaluate(predict(model, train), spec.scale.to_class(train.rating)),
        baselines=evaluate_baselines(train, test, spec.scale),
        booster=replace(
            EVALUATION.booster,
            num_round=N_ROUNDS,
            validation_losses=[2.2, 2.0, 1.9, 1.8, 1.7, 1.6, 1.65],
        ),
        hyperparameters={"eta": 0.3, "n_models": 1, "max_depth": 7},
        versions={"xgboost": xgboost.__version__},
    )
    return Material(
        job="halfstar-test",
        model=model,
        booster=booster,
        regression=regression,
        evaluation=evaluation,
        train=train,
        test=test,
        predictions=predictions,
        nthread=1,
    )


@pytest.fixture(scope="session")
def numbers(material: Material) -> ReportNumbers:
    """What is measured for its report."""
    return measure(material)


def with_evaluation(material: Material, **changes: object) -> Material:
    """The same material with another evaluation."""
    evaluation: Evaluation = replace(material.evaluation, **changes)  # type: ignore[arg-type]
    return replace(material, evaluation=evaluation)
