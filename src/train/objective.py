"""What boosting is to learn. A job has two objectives, for two boosters on the same
features:

1. The classes: a distribution over the rating values. The first rounds grow a tree for
   each axis (`train.axes`), the others one for each class.
2. The regression, where it is asked for: the stars themselves by least squares, one
   tree a round. A distribution over classes spends its trees on telling classes apart,
   and a regression errs in other places. So halfway between the two the squared error
   is lower than with either (`movielens.predictions.Predictions`).

`train.booster` boosts both in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.features import Part
from movielens.ratings import RatingScale
from train.axes import Axes
from train.device import find_device
from train.hyperparameters import Hyperparameters
from train.quantised_matrix import Label, Weight

SEARCH_STAGE = "search"
REGRESSION_STAGE = "regression"

# The job's hyperparameters are tuned for the classes' booster. With one tree a round
# instead of one a class, other values are better.
_REGRESSION_PARAMS = {
    "eta": 0.04,
    "max_depth": 6,
    "min_child_weight": 30.0,
    "subsample": 0.7,
    "colsample_bytree": 0.35,
    "colsample_bynode": 1.0,
    "gamma": 0.0,
    "lambda": 8.0,
    "objective": "reg:squarederror",
}

# Branches look at less than the main chain, so fewer rounds of larger steps do.
_BRANCH_STEP = 2.0
# Those of the movie and of the user have smaller trees too.
_BRANCH_DEPTH = 5

# Few columns tell anything of unknown users, and less holds for them than for the users
# in training. So these trees are shallow, and every one of them may ask for the date.
_DATE_PARAMS = {
    "max_depth": 3,
    "min_child_weight": 50.0,
    "colsample_bytree": 1.0,
    "colsample_bynode": 0.5,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """One booster's task.

    Attributes:
        stage: the name of its rounds in checkpoints.
        params: XGBoost's parameters, with the seed.
        label: int64 or float32 (n_rows,), what is to be predicted of each row.
        weight: float32 (n_rows,), of all rows in the rounds of the date; None if they
            are alike.
        n_rounds: rounds to add to the main chain.
        axes: along which the first rounds of each chain go; None if none do.
        axis_share: how many these are, as a share of a new chain's rounds.
        n_models: boosters of different seeds, whose margins are averaged.
        early_stopping_rounds: rounds without a lower loss that end the search for the
            number of rounds; 0 for no search.
        needs_all_rounds: what happens after a stop: the booster is given up if it
            doesn't have all its rounds. Otherwise the rounds so far are kept.
    """

    stage: str
    params: Mapping[str, Any]
    label: Label
    weight: Weight | None = None
    n_rounds: int
    axes: Axes | None = None
    axis_share: float = 0
    n_models: int = 1
    early_stopping_rounds: int = 0
    needs_all_rounds: bool = False

    def stage_of(self, n_model: int, branch: Part | None = None) -> str:
        """The stage of a chain of one of the boosters, which are counted from 0."""
        number = str(n_model) if n_model else ""
        name = f"-{branch.name.lower()}" if branch is not None else ""
        return f"{self.stage}{number}{name}"

    def n_axis_rounds(self, n_rounds: int) -> int:
        """How many of a new chain's rounds go along axes."""
        return round(self.axis_share * n_rounds)

    def chain(
        self, n_model: int, branch: Part | None = None
    ) -> tuple[Mapping[str, Any], Weight | None]:
        """XGBoost's parameters for a chain, and the weights of its rows."""
        seed = self.params["seed"] + n_model
        params = {**self.params, "seed": seed}
        if branch is None:
            return params, None

        params["eta"] = min(_BRANCH_STEP * params["eta"], 1.0)
        if branch is Part.DATE:
            return {**params, **_DATE_PARAMS}, self.weight
        params["max_depth"] = min(params["max_depth"], _BRANCH_DEPTH)
        return params, None


def class_objective(
    hyperparameters: Hyperparameters,
    class_index: NDArray[np.int64],
    scale: RatingScale,
    weight: Weight | None = None,
) -> Objective:
    """The distribution over the rating classes.

    Args:
        hyperparameters: of the job.
        class_index: int64 (n_rows,), 0 to n_classes - 1.
        scale: the classes, whether or not the rows have them all.
        weight: float32 (n_rows,), of the rows in the rounds of the date; None if they
            are alike.
    """
    params = {
        **hyperparameters.booster_params(),
        "objective": "multi:softprob",
        "num_class": len(scale.class_values),
        "eval_metric": "mlogloss",
        **_environment(hyperparameters),
    }
    return Objective(
        stage="final",
        params=params,
        label=class_index,
        weight=weight,
        n_rounds=hyperparameters.num_round,
        axes=Axes.of(scale),
        axis_share=hyperparameters.axis_rounds,
        n_models=hyperparameters.n_models,
        early_stopping_rounds=hyperparameters.early_stopping_rounds,
    )


def regression_objective(
    hyperparameters: Hyperparameters,
    rating: NDArray[np.float32],
    weight: Weight | None = None,
) -> Objective:
    """The stars, by least squares.

    A part of its rounds would pull all estimates towards the mean, so it needs them
    all.

    Args:
        hyperparameters: of the job.
        rating: float32 (n_rows,), stars.
        weight: float32 (n_rows,), of the rows in the rounds of the date; None if they
            are alike.
    """
    params = {
        **hyperparameters.booster_params(),
        **_REGRESSION_PARAMS,
        **_environment(hyperparameters),
    }
    return Objective(
        stage=REGRESSION_STAGE,
        params=params,
        label=rating,
        weight=weight,
        n_rounds=hyperparameters.regression_rounds,
        needs_all_rounds=True,
    )


def _environment(hyperparameters: Hyperparameters) -> dict[str, Any]:
    return {"device": find_device(hyperparameters.device), "verbosity": 1}
