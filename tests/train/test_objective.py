"""The two objectives of a job, as values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.features import Part
from movielens.ratings import WHOLE_STARS, RatingScale
from train.hyperparameters import Hyperparameters
from train.objective import class_objective, regression_objective

HYPERPARAMETERS = Hyperparameters(
    num_round=7, regression_rounds=3, eta=0.5, seed=9, device="cpu"
)
CLASS_INDEX = np.array([0, 4, 0])
SCALE = RatingScale(WHOLE_STARS)
RATING = np.array([1, 5, 1], dtype=np.float32)


def test_the_classes_take_the_jobs_hyperparameters() -> None:
    objective = class_objective(HYPERPARAMETERS, CLASS_INDEX, SCALE)
    assert objective.n_rounds == 7
    assert objective.params["eta"] == 0.5
    assert objective.params["num_class"] == 5
    assert not objective.needs_all_rounds


def test_the_regression_has_parameters_of_its_own_but_the_jobs_seed() -> None:
    objective = regression_objective(HYPERPARAMETERS, RATING)
    assert objective.n_rounds == 3
    assert objective.params["objective"] == "reg:squarederror"
    assert objective.params["eta"] == 0.04
    assert objective.params["seed"] == 9
    assert objective.needs_all_rounds


def test_stages_are_named_for_the_checkpoints() -> None:
    objective = class_objective(HYPERPARAMETERS, CLASS_INDEX, SCALE)
    assert [objective.stage_of(n_model) for n_model in (0, 1)] == ["final", "final1"]
    assert objective.stage_of(0, Part.DATE) == "final-date"
    assert objective.stage_of(2, Part.MOVIE) == "final2-movie"
    regression = regression_objective(HYPERPARAMETERS, RATING)
    assert regression.stage_of(0, Part.USER) == "regression-user"


@pytest.mark.parametrize("part", Part)
def test_only_rounds_of_the_date_have_weights(
    part: Part,
) -> None:
    weight = np.array([1, 2, 3], dtype=np.float32)
    objective = class_objective(HYPERPARAMETERS, CLASS_INDEX, SCALE, weight)
    params, own_weight = objective.chain(2, part)
    assert params["seed"] == 11
    assert (own_weight is weight) == (part is Part.DATE)
    assert (params["max_depth"] == 3) == (part is Part.DATE)


def test_branches_take_larger_steps_by_smaller_trees() -> None:
    objective = class_objective(HYPERPARAMETERS, CLASS_INDEX, SCALE)
    main, _ = objective.chain(0)
    assert main == objective.params
    for part in (Part.MOVIE, Part.USER):
        params, _ = objective.chain(0, part)
        assert params == {**main, "eta": 1.0, "max_depth": 5}
    params, _ = objective.chain(0, Part.DATE)
    assert (params["max_depth"], params["eta"]) == (3, 1.0)
    shallow = replace(HYPERPARAMETERS, max_depth=2, eta=0.7)
    params, _ = class_objective(shallow, CLASS_INDEX, SCALE).chain(0, Part.USER)
    assert (params["max_depth"], params["eta"]) == (2, 1.0)
