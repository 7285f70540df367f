"""Boosting from features to finished boosters: the classes, then the regression.

Each booster goes the same way:

1. With early stopping: boost on some of the training rows, and find the number of
   rounds on the others. No test row is ever looked at.
2. Boost that many rounds on all training rows, for each of ``n_models`` seeds.
3. Boost the branch for unknown users with a timestamp (`train.schedule`).
4. Put the trees behind gates, average the seeds, round the numbers
   (`train.model_surgery`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.errors import DataError
from movielens.ratings import RatingScale
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.model_surgery import averaged, compact, with_gates
from train.objective import (
    SEARCH_STAGE,
    Objective,
    class_objective,
    regression_objective,
)
from train.quantised_matrix import Weight
from train.report import metric_line
from train.rounds import Boosted, Boosting, n_rounds_of
from train.schedule import Schedule
from train.split import hold_out
from train.stop import StoppedError

logger = logging.getLogger(__name__)

_VALIDATION_LOSS = "validation:mlogloss"


class IncompleteError(StoppedError):
    """A stop came before a booster that needs all its rounds had them."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A finished booster.

    Attributes:
        booster: all its rounds.
        date_rounds: those of them that are for unknown users with a timestamp.
    """

    booster: xgboost.Booster
    date_rounds: int


@dataclass(frozen=True, slots=True, eq=False)
class Boosters:
    """What a job trains.

    Attributes:
        classes: gives the distribution over the rating classes.
        date_rounds: those of its rounds that this job added for unknown users with a
            timestamp.
        regression: estimates the stars; None without a regression.
        search_losses: the log-loss after each round of early stopping's search; empty
            without one.
    """

    classes: xgboost.Booster
    date_rounds: int = 0
    regression: xgboost.Booster | None = None
    search_losses: tuple[float, ...] = ()


def fit_boosters(
    blocks: FeatureBlocks,
    rating: NDArray[np.float32],
    scale: RatingScale,
    context: TrainingContext,
    earlier_classes: bytes = b"",
    earlier_regression: bytes = b"",
    weight: Weight | None = None,
) -> Boosters:
    """Train the classes' booster, and the regression if there is to be one.

    After a stop, the classes' booster has the rounds built so far, or the search's if
    those are more, and there is no regression.

    Args:
        blocks: the features of n_rows rows.
        rating: float32 (n_rows,), stars.
        scale: the rating classes.
        context: how to train.
        earlier_classes: a booster whose rounds come first, as XGBoost's UBJSON; empty
            to begin anew.
        earlier_regression: the same for the regression.
        weight: float32 (n_rows,), of the rows in the rounds for unknown users; None if
            they are alike (`train.weighting`).

    Raises:
        DataError: if early stopping would have no rows to train on, or none to measure
            the loss on.
        JobError: if a checkpoint can't be written.
        StoppedError: a stop before there was a single round.
    """
    hyperparameters = context.hyperparameters
    n_classes = len(scale.class_values)
    class_index = scale.to_class(rating)
    objective = class_objective(hyperparameters, class_index, n_classes, weight)
    classes = fit_booster(objective, blocks, context, earlier_classes)
    search = context.checkpoints.stages.get(SEARCH_STAGE)
    boosters = Boosters(
        classes.booster,
        classes.date_rounds,
        search_losses=search.losses if search else (),
    )

    if not hyperparameters.regression_rounds:
        return boosters
    if context.cluster.any(context.stop.requested):
        return boosters

    logger.info("regression on the stars of %d rows", blocks.n_rows)
    objective = regression_objective(hyperparameters, rating, weight)
    try:
        regression = fit_booster(objective, blocks, context, earlier_regression)
    except IncompleteError:
        logger.warning("the regression isn't complete: the model does without it")
        return boosters
    return replace(boosters, regression=regression.booster)


def fit_booster(
    objective: Objective,
    blocks: FeatureBlocks,
    context: TrainingContext,
    earlier: bytes = b"",
) -> Fitted:
    """Train one booster on all rows.

    Args:
        objective: what to learn.
        blocks: the features of n_rows rows; of several hosts, each has its own.
        context: how to train.
        earlier: a booster whose rounds come first, as XGBoost's UBJSON; empty to begin
            anew.

    Raises:
        DataError: if early stopping would have no rows to train on, or none to measure
            the loss on.
        IncompleteError: a stop, and the objective needs all its rounds.
        JobError: if a checkpoint can't be written.
        StoppedError: a stop before there was a single round.
    """
    schedule = Schedule.of(
        blocks.columns,
        context.hyperparameters,
        n_rounds=objective.n_rounds,
        n_before=n_rounds_of(earlier),
        has_timestamps=context.has_timestamps,
    )
    boosting = Boosting(objective.params, context, schedule, earlier)
    try:
        boosted = _boost(boosting, blocks, objective)
    except StoppedError as error:
        # The other hosts may have been further.
        if len(context.cluster) > 1:
            raise
        if objective.needs_all_rounds:
            raise IncompleteError(str(error)) from error
        longest = boosting.longest(objective.stages)
        if longest is None:
            raise
        boosted = [Boosted(longest, ())]

    n_rounds = schedule.n_before + objective.n_rounds
    n_done = boosted[0].booster.num_boosted_rounds()
    if objective.needs_all_rounds and n_done < n_rounds:
        raise IncompleteError(f"stopped by SIGTERM before {n_rounds} rounds were done")

    n_others = sum(each.booster.num_boosted_rounds() for each in boosted)
    n_shared = (len(boosted) - 1) * schedule.n_before
    gated = _gated(boosted, schedule)
    booster = compact(averaged(gated, schedule.n_before))
    n_all = booster.num_boosted_rounds()
    return Fitted(booster, date_rounds=n_all - n_others + n_shared)


def _gated(boosted: list[Boosted], schedule: Schedule) -> list[xgboost.Booster]:
    """The boosters behind their gates, with their branches if all have one.

    The list is emptied, since a booster takes memory.
    """
    has_branches = all(each.branch is not None for each in boosted)
    if not has_branches:
        schedule = schedule.without_branch
    gated: list[xgboost.Booster] = []
    while boosted:
        each = boosted.pop(0)
        branch = each.branch if has_branches else None
        gated.append(with_gates(each.booster, schedule, branch))
    return gated


def _boost(
    boosting: Boosting, blocks: FeatureBlocks, objective: Objective
) -> list[Boosted]:
    """The boosters to average: one a seed, or a single one after a stop."""
    hyperparameters = boosting.context.hyperparameters
    stop = boosting.context.stop
    n_rounds = boosting.schedule.n_before + objective.n_rounds

    best_of_search: xgboost.Booster | None = None
    if objective.early_stopping_rounds:
        search = boosting.completed(SEARCH_STAGE)
        search = search or _search(boosting, blocks, objective)
        best_of_search = search.best
        logger.info("%s", metric_line(_VALIDATION_LOSS, min(search.losses)))
        if stop.requested:
            return [Boosted(best_of_search, ())]

        n_rounds = best_of_search.num_boosted_rounds()
        logger.info(
            "early stopping chose %d rounds; training on all %d rows",
            n_rounds,
            blocks.n_rows,
        )
        schedule = boosting.schedule.with_branch_for(n_rounds, hyperparameters)
        boosting = replace(boosting, schedule=schedule)

    boosted: list[Boosted] = []
    for n_model in range(objective.n_models):
        seed = objective.params["seed"] + n_model
        seeded = replace(boosting, params={**objective.params, "seed": seed})
        stage = objective.stage_of(n_model)
        branch = objective.branch.seeded(seed)
        done = seeded.run(stage, blocks, objective.label, n_rounds, branch=branch)
        boosted.append(done)
        if stop.requested:
            break

    n_done = boosted[0].booster.num_boosted_rounds()
    if best_of_search is not None and best_of_search.num_boosted_rounds() > n_done:
        return [Boosted(best_of_search, ())]
    # A stop may have cut the last one short.
    return [each for each in boosted if each.booster.num_boosted_rounds() == n_done]


def _search(boosting: Boosting, blocks: FeatureBlocks, objective: Objective) -> Boosted:
    """Boost on most rows until the loss of the others falls no more."""
    hyperparameters = boosting.context.hyperparameters
    share, seed = hyperparameters.early_stopping_share, hyperparameters.seed
    kept, held_out = hold_out(blocks.n_rows, share, seed)
    if not len(kept) or not len(held_out):
        raise DataError(
            f"early stopping splits {blocks.n_rows} training rows into {len(kept)} to "
            f"train on and {len(held_out)} to measure the loss on: change "
            "early_stopping_share, or leave early_stopping_rounds out"
        )
    return boosting.run(
        SEARCH_STAGE,
        blocks.among(kept),
        objective.label,
        boosting.schedule.n_before + objective.n_rounds,
        held_out=blocks.among(held_out),
        patience=objective.early_stopping_rounds,
    )
