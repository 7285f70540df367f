"""The two objectives of a job, as values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from train.hyperparameters import Hyperparameters
from train.objective import class_objective, regression_objective

HYPERPARAMETERS = Hyperparameters(
    num_round=7, regression_rounds=3, eta=0.5, seed=9, device="cpu"
)
CLASS_INDEX = np.array([0, 1, 0])
RATING = np.array([1, 5, 1], dtype=np.float32)


def test_the_classes_take_the_jobs_hyperparameters() -> None:
    objective = class_objective(HYPERPARAMETERS, CLASS_INDEX, n_classes=2)
    assert objective.n_rounds == 7
    assert objective.params["eta"] == 0.5
    assert objective.params["num_class"] == 2
    assert not objective.needs_all_rounds


def test_the_regression_has_parameters_of_its_own_but_the_jobs_seed() -> None:
    objective = regression_objective(HYPERPARAMETERS, RATING)
    assert objective.n_rounds == 3
    assert objective.params["objective"] == "reg:squarederror"
    assert objective.params["eta"] == 0.04
    assert objective.params["seed"] == 9
    assert objective.needs_all_rounds


def test_stages_are_named_for_the_checkpoints() -> None:
    plain = class_objective(HYPERPARAMETERS, CLASS_INDEX, n_classes=2)
    assert plain.stages == ("final",)
    hyperparameters = replace(HYPERPARAMETERS, n_models=3, early_stopping_rounds=5)
    searched = class_objective(hyperparameters, CLASS_INDEX, n_classes=2)
    assert searched.stages == ("search", "final", "final1", "final2")
    assert regression_objective(hyperparameters, RATING).stages == ("regression",)
