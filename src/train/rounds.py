"""Round after round of boosting, such that a run which was interrupted ends with the
very model of one which wasn't.

Each round is a booster of its own, which begins at the margins that those before have
reached. So each can look at a matrix of other features (`train.views`), and XGBoost's
generators, whose state isn't saved with a model, are seeded by the round's number.
`train.model_surgery` joins the rounds into one booster; its margins are the very sums that the
rounds made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from train.blocks import FeatureBlocks, Labels
from train.checkpoint import Checkpoints, Stage
from train.cluster import ALONE, Cluster
from train.model_surgery import Grown
from train.schedule import Schedule
from train.stop import StopSignal
from train.views import View, Views

Margins = NDArray[np.float32]

logger = logging.getLogger(__name__)

_PROGRESS_LINES = 10
_TREE_METHOD = "hist"


@dataclass(frozen=True, slots=True)
class Boosted:
    """What boosting gave: the booster of all its rounds, and the loss after each where
    one was looked at.
    """

    booster: xgboost.Booster
    losses: tuple[float, ...]

    @property
    def best(self) -> xgboost.Booster:
        """The rounds up to the first one of the lowest loss."""
        n_before = self.booster.num_boosted_rounds() - len(self.losses)
        return self.booster[: n_before + self.losses.index(min(self.losses)) + 1]


@dataclass(frozen=True, slots=True)
class Boosting:
    """How boosting is done in every stage of a job.

    Attributes:
        params: XGBoost's, with the seed.
        stop: asked after every round.
        checkpoints: where a stage begins and what it leaves behind.
        schedule: which rounds look at which features.
        cluster: the hosts, which boost the same trees on rows of their own.
        start: a booster to go on from, as XGBoost's UBJSON; empty to begin anew.
    """

    params: dict[str, Any]
    stop: StopSignal
    checkpoints: Checkpoints
    schedule: Schedule
    cluster: Cluster = ALONE
    start: bytes = b""

    def run(
        self,
        stage: str,
        blocks: FeatureBlocks,
        label: Labels,
        n_rounds: int,
        held: FeatureBlocks | None = None,
        patience: int = 0,
    ) -> Boosted:
        """Boost until there are ``n_rounds``, a stop was asked for, or ``patience``
        rounds brought no lower loss.

        Args:
            stage: a name for the checkpoints.
            blocks: the features to train on.
            label: int64 or float32 (n_rows,), the class index or the stars of all rows.
            n_rounds: how many rounds there shall be in all.
            held: the features of rows whose loss is looked at after each round.
            patience: rounds without a lower loss that end it, of those which look at
                everything.
        """
        reached = self.checkpoints.stages.get(stage)
        grown = Grown(blocks.names, reached.booster if reached else self.start)
        losses = list(reached.losses) if reached else []
        if not self._is_complete(grown.n_rounds, n_rounds, losses, patience):
            rows = (blocks,) if held is None else (blocks, held)
            complete = self._grow(
                stage, grown, losses, self._views(rows, label), n_rounds, patience
            )
            # The memory of the views is free by now.
            self._save(stage, grown, losses, complete)
        return Boosted(grown.booster(), tuple(losses))

    def _grow(
        self,
        stage: str,
        grown: Grown,
        losses: list[float],
        views: Views,
        n_rounds: int,
        patience: int,
    ) -> bool:
        """Round after round, and the loss of each that has rows to check; whether the
        stage needs no more.
        """
        # The first round begins where XGBoost begins.
        margins = (
            [_margins(grown.booster(), rows) for rows in views.blocks]
            if grown.n_rounds
            else []
        )
        progress: _Progress | None = None
        while True:
            view = views.of(grown.n_rounds)
            progress = progress or _Progress(
                grown.n_rounds, n_rounds
            )  # features are made by now
            booster = self._boost(view, margins, grown.n_rounds)
            margins = [
                booster.predict(matrix, output_margin=True) for matrix in view.matrices
            ]
            grown.add(booster, view.columns)
            if len(view.matrices) > 1:
                losses.append(float(booster.eval(view.matrices[1]).rpartition(":")[2]))
            done = grown.n_rounds
            progress.tell(done)
            complete, stops = (
                self._is_complete(done, n_rounds, losses, patience),
                self._stops(),
            )
            if stops:
                logger.warning(
                    "SIGTERM: stopping after round %d of %d, the model so far is kept",
                    done,
                    n_rounds,
                )
            if complete or stops:
                return complete
            if self.checkpoints.are_due(done):
                self._save(stage, grown, losses, complete)

    def _views(self, rows: tuple[FeatureBlocks, ...], label: Labels) -> Views:
        share, max_bin, seed = (
            self.params[name] for name in ("colsample_bytree", "max_bin", "seed")
        )
        return Views(rows, label, self.schedule, share, max_bin, seed, self.cluster)

    def _boost(
        self, view: View, margins: Sequence[Margins], n_round: int
    ) -> xgboost.Booster:
        """A booster of one round, which begins at these margins of the view's rows."""
        for matrix, margin in zip(view.matrices, margins, strict=bool(margins)):
            matrix.set_info(base_margin=margin)
        seed = int(
            np.random.SeedSequence([self.params["seed"], n_round]).generate_state(1)[0]
            >> 1
        )
        changed = {
            "tree_method": _TREE_METHOD,
            "seed": seed,
            "colsample_bytree": view.share,
        }
        booster = xgboost.Booster({**self.params, **changed}, view.matrices)
        booster.update(view.matrices[0], 0)
        return booster

    def completed(self, stage: str) -> Boosted | None:
        """What the stage gave, if the job that is resumed had completed it."""
        reached = self.checkpoints.stages.get(stage)
        return (
            self._restored(reached)
            if reached is not None and reached.complete
            else None
        )

    def longest(self, but: str) -> xgboost.Booster | None:
        """The booster of most rounds that a checkpoint holds, cut at its best round
        where a loss was looked at.

        The stage named ``but`` isn't one of them.
        """
        stages = (
            self._restored(stage)
            for name, stage in self.checkpoints.stages.items()
            if name != but
        )
        boosters = (stage.best if stage.losses else stage.booster for stage in stages)
        return max(boosters, key=xgboost.Booster.num_boosted_rounds, default=None)

    def _stops(self) -> bool:
        """Whether any host was asked to stop: all stop after the same round."""
        stops = self.cluster.any(self.stop.requested)
        if stops and len(self.cluster) > 1:
            self.stop.requested = True
        return stops

    def _is_complete(
        self, done: int, n_rounds: int, losses: list[float], patience: int
    ) -> bool:
        all_look_at_all = done > self.schedule.moment
        return done >= n_rounds or bool(
            losses
            and all_look_at_all
            and len(losses) - losses.index(min(losses)) > patience
        )

    def _restored(self, stage: Stage) -> Boosted:
        return Boosted(
            xgboost.Booster(self.params, model_file=bytearray(stage.booster)),
            stage.losses,
        )

    def _save(
        self, stage: str, grown: Grown, losses: list[float], complete: bool
    ) -> None:
        self.checkpoints.save(
            stage, Stage(grown.ubjson(), grown.n_rounds, complete, tuple(losses))
        )


def n_rounds_of(booster: bytes) -> int:
    """Rounds of a booster in XGBoost's UBJSON, 0 where there is none."""
    return (
        xgboost.Booster(model_file=bytearray(booster)).num_boosted_rounds()
        if booster
        else 0
    )


def _margins(booster: xgboost.Booster, blocks: FeatureBlocks) -> Margins:
    """Of rows in the order of the blocks, float32 (n, n_classes)."""
    made = [
        booster.inplace_predict(block.values, predict_type="margin")
        for _, block in blocks.make()
    ]
    return np.concatenate(made) if made else np.empty((0, 1), dtype=np.float32)


class _Progress:
    """Logs about ten lines a training."""

    def __init__(
        self, first: int, n_rounds: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.first, self.n_rounds, self.clock = first, n_rounds, clock
        self.started = clock()

    def tell(self, done: int) -> None:
        if (
            done == self.first + 1
            or done % max(1, self.n_rounds // _PROGRESS_LINES) == 0
            or done == self.n_rounds
        ):
            rate = (done - self.first) / (self.clock() - self.started)
            left = (self.n_rounds - done) / rate
            logger.info(
                "round %d of %d, %.3g rounds/s, %.0f s left",
                done,
                self.n_rounds,
                rate,
                left,
            )
