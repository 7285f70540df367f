"""Round after round of boosting. A run that was interrupted ends with the very same
model as one that wasn't.

Each round is a booster of its own, which begins at the margins that the rounds before
it have reached. So each round can look at a matrix of other features (`train.views`).
XGBoost doesn't save the state of its random generators with a model, so they are seeded
by the number of the round. `train.model_surgery` joins the rounds into one booster,
whose margins are exactly the sums that the rounds made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from train.blocks import FeatureBlocks
from train.checkpoint import Stage
from train.context import TrainingContext
from train.model_surgery import GrowingBooster
from train.quantised_matrix import Label, Weight
from train.schedule import Schedule
from train.views import View, Views

# float32 (n_rows, n_classes), or (n_rows,) of a regression.
Margins = NDArray[np.float32]

logger = logging.getLogger(__name__)

_PROGRESS_LINES = 10
_TREE_METHOD = "hist"


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """How the rounds of the schedule's branch are boosted.

    Attributes:
        params: XGBoost's, with the seed.
        weight: float32 (n_rows,), of all rows; None if they are alike.
    """

    params: Mapping[str, Any]
    weight: Weight | None = None

    def stage_of(self, stage: str) -> str:
        """The name of its rounds beside those of a stage."""
        return f"{stage}-date"

    def seeded(self, seed: int) -> Branch:
        """The same with another seed."""
        return replace(self, params={**self.params, "seed": seed})


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """What a stage of boosting gave.

    Attributes:
        booster: all its rounds.
        losses: the loss on the rows held out after each new round; empty without such
            rows.
        branch: all rounds of the branch, apart from the others; None if there is no
            branch, or if a stop came before it had them all.
    """

    booster: xgboost.Booster
    losses: tuple[float, ...]
    branch: xgboost.Booster | None = None

    @property
    def best(self) -> xgboost.Booster:
        """The rounds up to the first one with the lowest loss."""
        n_before = self.booster.num_boosted_rounds() - len(self.losses)
        n_best = self.losses.index(min(self.losses)) + 1
        return self.booster[: n_before + n_best]


@dataclass(frozen=True, slots=True, eq=False)
class Boosting:
    """How the stages of one booster are boosted.

    Attributes:
        params: XGBoost's, with the seed.
        context: how to train.
        schedule: which rounds look at which features.
        earlier: a booster to go on from, as XGBoost's UBJSON; empty to begin anew.
    """

    params: Mapping[str, Any]
    context: TrainingContext
    schedule: Schedule
    earlier: bytes = b""

    def run(
        self,
        stage: str,
        blocks: FeatureBlocks,
        label: Label,
        n_rounds: int,
        held_out: FeatureBlocks | None = None,
        patience: int = 0,
        branch: Branch | None = None,
    ) -> Boosted:
        """Boost one stage, from where its checkpoint ends, and then its branch.

        The stage ends when there are ``n_rounds`` rounds, when a stop was asked for, or
        when ``patience`` rounds brought no lower loss.

        Args:
            stage: its name in the checkpoints.
            blocks: the features to train on.
            label: int64 or float32 (n_rows,), the class index or the stars of all rows.
            n_rounds: rounds in all, those of an earlier model included.
            held_out: the features of rows whose loss is measured after each round.
            patience: rounds without a lower loss that end the stage, once rounds look
                at all features.
            branch: how the schedule's branch is boosted, if it is.
        """
        parts = (blocks,) if held_out is None else (blocks, held_out)
        views = self._views(parts, label)
        growing, losses = self._grown(stage, views, n_rounds, patience)
        boosted = Boosted(growing.booster(), tuple(losses))
        if branch is None or not self.schedule.n_of_branch or self._is_stopped():
            return boosted

        logger.info("rounds for unknown users, who have no more than a date")
        schedule = self.schedule.branch
        start = growing.start()
        # The finished rounds are kept as a booster alone.
        del growing
        of_branch = Boosting(branch.params, self.context, schedule, start)
        share = branch.params["colsample_bytree"]
        own_views = views.branched(schedule, share, branch.weight)
        stage = branch.stage_of(stage)
        n_rounds = schedule.n_of_branch
        growing, _ = of_branch._grown(stage, own_views, n_rounds)
        if growing.n_rounds < n_rounds:
            return boosted
        return replace(boosted, branch=growing.booster())

    def _grown(
        self, stage: str, views: Views, n_rounds: int, patience: int = 0
    ) -> tuple[GrowingBooster, list[float]]:
        """The rounds of one stage and their losses; see `run`."""
        names = views.blocks[0].names
        reached = self.context.checkpoints.stages.get(stage)
        growing = GrowingBooster(names, reached.booster if reached else self.earlier)
        losses = list(reached.losses) if reached else []

        if not self._is_complete(growing.n_rounds, n_rounds, losses, patience):
            is_complete = self._grow(stage, growing, losses, views, n_rounds, patience)
            # Saving takes memory too, so let go of the matrices.
            views.let_go()
            self._save(stage, growing, losses, is_complete)
        return growing, losses

    def _grow(
        self,
        stage: str,
        growing: GrowingBooster,
        losses: list[float],
        views: Views,
        n_rounds: int,
        patience: int,
    ) -> bool:
        """Add rounds to ``growing`` and ``losses``.

        Returns:
            Whether the stage is complete; otherwise a stop ended it.
        """
        margins: list[Margins] = []
        # The very first round begins where XGBoost begins.
        if growing.has_begun:
            so_far = growing.booster()
            margins = [_margins(so_far, part) for part in views.blocks]

        progress: _Progress | None = None
        while True:
            view = views.of(growing.n_rounds)
            # The first view makes the features, which isn't part of the rate.
            progress = progress or _Progress(growing.n_rounds, n_rounds)

            booster = self._boost(view, margins, growing.n_rounds)
            margins = [
                booster.predict(matrix, output_margin=True) for matrix in view.matrices
            ]
            growing.add(booster, view.columns, view.cuts)
            if len(view.matrices) > 1:
                losses.append(_loss(booster, view.matrices[1]))

            n_done = growing.n_rounds
            progress.report(n_done)
            is_complete = self._is_complete(n_done, n_rounds, losses, patience)
            is_stopped = self._is_stopped()
            if is_stopped:
                logger.warning(
                    "SIGTERM: stopping after round %d of %d, the model so far is kept",
                    n_done,
                    n_rounds,
                )
            if is_complete or is_stopped:
                return is_complete
            if self.context.checkpoints.are_due(n_done):
                self._save(stage, growing, losses, is_complete)

    def _views(self, parts: tuple[FeatureBlocks, ...], label: Label) -> Views:
        return Views(
            parts,
            label,
            self.schedule,
            share=self.params["colsample_bytree"],
            max_bin=self.params["max_bin"],
            seed=self.params["seed"],
            cluster=self.context.cluster,
        )

    def _boost(
        self, view: View, margins: Sequence[Margins], n_round: int
    ) -> xgboost.Booster:
        """A booster of one round, which begins at these margins of the view's rows."""
        for matrix, margin in zip(view.matrices, margins, strict=bool(margins)):
            matrix.set_info(base_margin=margin)

        sequence = np.random.SeedSequence([self.params["seed"], n_round])
        # XGBoost takes 31 bits.
        seed = int(sequence.generate_state(1)[0] >> 1)
        params = {
            **self.params,
            "tree_method": _TREE_METHOD,
            "seed": seed,
            # The view is the share.
            "colsample_bytree": 1.0,
        }
        booster = xgboost.Booster(params, view.matrices)
        booster.update(view.matrices[0], 0)
        return booster

    def completed(self, stage: str) -> Boosted | None:
        """What the stage gave, if the job that is resumed had completed it."""
        reached = self.context.checkpoints.stages.get(stage)
        if reached is None or not reached.complete:
            return None
        return self._restored(reached)

    def longest(self, stages: Collection[str]) -> xgboost.Booster | None:
        """The booster of most rounds among the checkpoints of these stages.

        A search ends at its best round. None if no stage has a checkpoint.
        """
        boosters: list[xgboost.Booster] = []
        for name, stage in self.context.checkpoints.stages.items():
            if name in stages:
                restored = self._restored(stage)
                boosters.append(restored.best if stage.losses else restored.booster)
        return max(boosters, key=xgboost.Booster.num_boosted_rounds, default=None)

    def _is_stopped(self) -> bool:
        """Whether any host was asked to stop: all stop after the same round."""
        stop = self.context.stop
        cluster = self.context.cluster
        is_stopped = cluster.any(stop.requested)
        if is_stopped and len(cluster) > 1:
            stop.requested = True
        return is_stopped

    def _is_complete(
        self, n_done: int, n_rounds: int, losses: list[float], patience: int
    ) -> bool:
        if n_done >= n_rounds:
            return True
        looks_at_everything = n_done > self.schedule.first_of_moment
        if not losses or not looks_at_everything:
            return False
        n_since_best = len(losses) - losses.index(min(losses))
        return n_since_best > patience

    def _restored(self, stage: Stage) -> Boosted:
        model = bytearray(stage.booster)
        booster = xgboost.Booster(dict(self.params), model_file=model)
        return Boosted(booster, stage.losses)

    def _save(
        self,
        name: str,
        growing: GrowingBooster,
        losses: list[float],
        is_complete: bool,
    ) -> None:
        stage = Stage(growing.ubjson(), growing.n_rounds, is_complete, tuple(losses))
        self.context.checkpoints.save(name, stage)


def n_rounds_of(booster: bytes) -> int:
    """Rounds of a booster in XGBoost's UBJSON; 0 of an empty one."""
    if not booster:
        return 0
    return xgboost.Booster(model_file=bytearray(booster)).num_boosted_rounds()


def _loss(booster: xgboost.Booster, matrix: xgboost.DMatrix) -> float:
    # XGBoost answers with text: "[0]\teval-mlogloss:1.25".
    _, _, loss = booster.eval(matrix).rpartition(":")
    return float(loss)


def _margins(booster: xgboost.Booster, blocks: FeatureBlocks) -> Margins:
    """Margins of the rows, in the order of the blocks."""
    made = [
        booster.inplace_predict(features.values, predict_type="margin")
        for _, features in blocks.make()
    ]
    return np.concatenate(made) if made else np.empty((0, 1), dtype=np.float32)


class _Progress:
    """Logs about ten lines a stage."""

    def __init__(
        self, first: int, n_rounds: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first = first
        self._n_rounds = n_rounds
        self._clock = clock
        self._began = clock()

    def report(self, n_done: int) -> None:
        """Log a line if one is due after this round."""
        is_first = n_done == self._first + 1
        is_last = n_done == self._n_rounds
        every = max(1, self._n_rounds // _PROGRESS_LINES)
        if not (is_first or is_last or n_done % every == 0):
            return
        rate = (n_done - self._first) / (self._clock() - self._began)
        logger.info(
            "round %d of %d, %.3g rounds/s, %.0f s left",
            n_done,
            self._n_rounds,
            rate,
            (self._n_rounds - n_done) / rate,
        )
