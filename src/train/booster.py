"""Boosting from features to finished boosters: the classes, then the regression.

Each booster goes the same way:

1. With early stopping: boost the main chain (`train.schedule`) on some of the training
   rows, and find the number of rounds on the others. No test row is ever looked at.
2. Boost all chains on all training rows, for each of ``n_models`` seeds. The chains of
   the movie and of the user come first, and after a stop they answer all rows.
3. Join the chains and seeds into one booster (`train.model_surgery`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.errors import DataError
from movielens.features import Part
from movielens.ratings import RatingScale
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.model_surgery import Chain, joined, start_of
from train.objective import (
    SEARCH_STAGE,
    Objective,
    class_objective,
    regression_objective,
)
from train.quantised_matrix import Weight
from train.report import metric_line
from train.rounds import Boosted, Boosting, n_rounds_of
from train.schedule import Schedule, stand_ins
from train.split import hold_out
from train.stop import StoppedError
from train.views import Bins, Views

logger = logging.getLogger(__name__)

_VALIDATION_LOSS = "validation:mlogloss"
_PURPOSES = {
    Part.MOVIE: "that look at the movie alone",
    Part.USER: "that look at the user too, but at no time",
    Part.MOMENT: "that look at all features",
    Part.DATE: "that look at the movie and the date, for unknown users",
}


class IncompleteError(StoppedError):
    """A stop came before a booster that needs all its rounds had them."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A finished booster.

    Attributes:
        booster: all its rounds.
        branch_rounds: those of them that aren't of the main chain.
    """

    booster: xgboost.Booster
    branch_rounds: int


@dataclass(frozen=True, slots=True, eq=False)
class Boosters:
    """What a job trains.

    Attributes:
        classes: gives the distribution over the rating classes.
        branch_rounds: those of its rounds that answer rows of which less is known: the
            user, the time or both are missing.
        regression: estimates the stars; None without a regression.
        search_losses: the log-loss after each round of early stopping's search; empty
            without one.
    """

    classes: xgboost.Booster
    branch_rounds: int = 0
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
        weight: float32 (n_rows,), of the rows in the rounds of the date; None if they
            are alike (`train.weighting`).

    Raises:
        DataError: if early stopping would have no rows to train on, or none to measure
            the loss on.
        JobError: if a checkpoint can't be written.
        StoppedError: a stop before there was a single round.
    """
    hyperparameters = context.hyperparameters
    class_index = scale.to_class(rating)
    objective = class_objective(hyperparameters, class_index, scale, weight)
    classes = fit_booster(objective, blocks, context, earlier_classes)
    search = context.checkpoints.stages.get(SEARCH_STAGE)
    boosters = Boosters(
        classes.booster,
        classes.branch_rounds,
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
    n_before = n_rounds_of(earlier)
    schedule = Schedule.of(
        blocks.columns,
        context.hyperparameters,
        n_before=n_before,
        has_timestamps=context.has_timestamps,
    )
    job = _BoosterJob(objective, blocks, context, schedule, earlier, n_before)
    try:
        models = job.boosted()
    except StoppedError as error:
        # The other hosts may have been further.
        if len(context.cluster) > 1:
            raise
        if objective.needs_all_rounds:
            raise IncompleteError(str(error)) from error
        chains = job.kept()
        if not chains:
            raise
        models = [chains]

    if objective.needs_all_rounds and not all(map(job.is_whole, models)):
        n_rounds = job.n_before + objective.n_rounds
        raise IncompleteError(f"stopped by SIGTERM before {n_rounds} rounds were done")
    return job.finished(models)


# What was boosted of each chain that was begun.
_Chains = dict[Part, Boosted]


@dataclass(frozen=True, slots=True, eq=False)
class _BoosterJob:
    """How one booster is made.

    Attributes:
        objective: what to learn.
        blocks: the features of n_rows rows.
        context: how to train.
        schedule: which chains there are.
        earlier: a booster whose rounds come first, as XGBoost's UBJSON; or empty.
        n_before: its rounds.
    """

    objective: Objective
    blocks: FeatureBlocks
    context: TrainingContext
    schedule: Schedule
    earlier: bytes
    n_before: int

    def boosted(self) -> list[_Chains]:
        """The chains of each seed, or of a single one after a stop."""
        main = self.schedule.main
        stop = self.context.stop
        n_rounds = self.n_before + self.objective.n_rounds

        search: Boosted | None = None
        if self.objective.early_stopping_rounds:
            search = self._searched(n_rounds)
            if stop.requested:
                return [{main: search}]
            n_rounds = search.n_rounds
            logger.info(
                "early stopping chose %d rounds; training on all %d rows",
                n_rounds,
                self.blocks.n_rows,
            )

        bins = self._bins(self.blocks)
        models: list[_Chains] = []
        for n_model in range(self.objective.n_models):
            models.append(self._chains(bins, n_model, n_rounds))
            if stop.requested:
                break

        first = models[0]
        if search is not None and not self.is_whole(first):
            # The search has been further. It began at the shares of the classes among
            # fewer rows, which are nearly the same.
            return [{**first, main: search}]
        # A stop may have cut the last one short.
        return [chains for chains in models if _lengths(chains) == _lengths(first)]

    def kept(self) -> _Chains:
        """What the checkpoints have of the first seed: the longer one of its main chain
        and the search.
        """
        main = self.schedule.main
        chains: _Chains = {}
        for part, n_rounds in self.schedule.chains(self.objective.n_rounds).items():
            boosting = self._boosting(part, 0, n_rounds)
            reached = boosting.reached(self._stage(part, 0))
            if reached is not None:
                chains[part] = reached

        search = self._boosting(main, 0, self.objective.n_rounds).reached(SEARCH_STAGE)
        if self.objective.early_stopping_rounds and search is not None:
            best = search.best
            if main not in chains or best.n_rounds > chains[main].n_rounds:
                chains[main] = best
        return chains

    def is_whole(self, chains: _Chains) -> bool:
        """Whether the main chain has all its rounds."""
        main = chains.get(self.schedule.main)
        return main is not None and main.is_complete

    def finished(self, models: list[_Chains]) -> Fitted:
        """One booster of all, behind gates.

        Args:
            models: the chains of each seed, as many rounds for each. They are emptied,
                since boosters take memory.
        """
        main = self.schedule.main
        answering = _answering(models[0])
        n_branch_rounds = sum(
            chains[part].n_rounds
            for chains in models
            for part in answering
            if part is not main
        )
        # The main chain comes first, so that its rounds count from 0.
        in_order = sorted(answering, key=lambda part: (part is not main, part))
        chains = (
            Chain(
                boosters=[each.pop(part).ubjson for each in models],
                gates=self.schedule.gates(part, answering),
                n_before=self.n_before if part is main else 0,
            )
            for part in in_order
        )
        return Fitted(joined(chains), n_branch_rounds)

    def _searched(self, n_rounds: int) -> Boosted:
        """The main chain up to the round with the lowest loss of rows held out."""
        hyperparameters = self.context.hyperparameters
        share, seed = hyperparameters.early_stopping_share, hyperparameters.seed
        n_rows = self.blocks.n_rows
        kept, held_out = hold_out(n_rows, share, seed)
        if not len(kept) or not len(held_out):
            raise DataError(
                f"early stopping splits {n_rows} training rows into {len(kept)} to "
                f"train on and {len(held_out)} to measure the loss on: change "
                "early_stopping_share, or leave early_stopping_rounds out"
            )
        main = self.schedule.main
        bins = self._bins(self.blocks.among(kept), self.blocks.among(held_out))
        search = self._boosting(main, 0, n_rounds, self.earlier).run(
            SEARCH_STAGE,
            self._views(bins, main, 0),
            n_rounds,
            patience=self.objective.early_stopping_rounds,
        )
        logger.info("%s", metric_line(_VALIDATION_LOSS, min(search.losses)))
        return search.best

    def _chains(self, bins: Bins, n_model: int, n_main: int) -> _Chains:
        """The chains of one seed; not all of them after a stop."""
        chains: _Chains = {}
        start = self.earlier
        for part, n_rounds in self.schedule.chains(n_main).items():
            boosting = self._boosting(part, n_model, n_rounds, start)
            if chains and boosting.is_stopped():
                break
            logger.info("%d rounds %s", n_rounds, _PURPOSES[part])
            stage = self._stage(part, n_model)
            views = self._views(bins, part, n_model)
            chains[part] = boosting.run(stage, views, n_rounds)
            start = start or start_of(chains[part].ubjson)
        return chains

    def _boosting(
        self, part: Part, n_model: int, n_rounds: int, start: bytes = b""
    ) -> Boosting:
        """How a chain of so many rounds is boosted."""
        objective = self.objective
        params, _ = objective.chain(n_model, self._branch(part))
        if part is self.schedule.main:
            # If early stopping chose fewer, the search still began with as many along
            # axes.
            n_rounds = objective.n_rounds
        # An earlier model has been along the axes.
        n_axis_rounds = 0 if self.n_before else objective.n_axis_rounds(n_rounds)
        return Boosting(params, self.context, start, objective.axes, n_axis_rounds)

    def _branch(self, part: Part) -> Part | None:
        return None if part is self.schedule.main else part

    def _stage(self, part: Part, n_model: int) -> str:
        return self.objective.stage_of(n_model, self._branch(part))

    def _bins(self, *parts: FeatureBlocks) -> Bins:
        max_bin = self.context.hyperparameters.max_bin
        return Bins(parts, max_bin, self.context.cluster)

    def _views(self, bins: Bins, part: Part, n_model: int) -> Views:
        params, weight = self.objective.chain(n_model, self._branch(part))
        return Views(
            bins,
            self.objective.label,
            part,
            self.schedule.columns(part),
            share=params["colsample_bytree"],
            seed=params["seed"],
            weight=weight,
        )


def _answering(chains: _Chains) -> set[Part]:
    """The chains that answer rows.

    One that a stop has ended does so only if it has as many rounds as those that would
    answer in its place.
    """
    answering: set[Part] = set()
    for part, boosted in chains.items():
        others = [chains[each].n_rounds for each in stand_ins(part) & answering]
        if boosted.is_complete or boosted.n_rounds >= max(others, default=0):
            answering.add(part)
    return answering


def _lengths(chains: _Chains) -> dict[Part, int]:
    return {part: boosted.n_rounds for part, boosted in chains.items()}
