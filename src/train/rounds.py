"""Round after round of boosting, such that a run which was interrupted ends with the very model of one which wasn't.

XGBoost draws rows and columns from generators whose state isn't saved with the model. So each round begins with
generators of its own, seeded by its number: ``seed_per_iteration`` does that for the rows, and the columns' generator
lives in the tree builder, which changing ``tree_method`` to another one and back replaces.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xgboost

from train.checkpoint import Checkpoints, Stage
from train.cluster import ALONE, Cluster
from train.knowledge import Schedule
from train.stop import StopSignal

logger = logging.getLogger(__name__)

_PROGRESS_LINES = 10
_TREE_METHOD, _OTHER_TREE_METHOD = "hist", "approx"


@dataclass(frozen=True, slots=True)
class Boosted:
    """What boosting gave: the booster of all its rounds, and the loss after each where one was looked at."""

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
        matrix: xgboost.DMatrix,
        n_rounds: int,
        check: xgboost.DMatrix | None = None,
        patience: int = 0,
    ) -> Boosted:
        """Boost until there are ``n_rounds``, a stop was asked for, or ``patience`` rounds brought no lower loss.

        Args:
            stage: a name for the checkpoints.
            matrix: the rows to train on.
            n_rounds: how many rounds there shall be in all.
            check: the rows whose loss is looked at after each round.
            patience: rounds without a lower loss that end it, of those which look at everything.
        """
        reached = self.checkpoints.stages.get(stage)
        data = [matrix] if check is None else [matrix, check]
        before = reached.booster if reached else self.start
        booster = xgboost.Booster(self._params(), data, bytearray(before) if before else None)
        losses = list(reached.losses) if reached else []
        done = booster.num_boosted_rounds()
        complete = self._is_complete(done, n_rounds, losses, patience)
        progress = _Progress(done, n_rounds)
        while not complete:
            self._show(booster, matrix, done)
            _fresh_generators(booster)
            booster.update(matrix, done)
            done += 1
            if check is not None:
                losses.append(float(booster.eval(check).rpartition(":")[2]))
            progress.tell(done)
            complete = self._is_complete(done, n_rounds, losses, patience)
            stops = self._stops()
            if complete or stops or self.checkpoints.are_due(done):
                self._save(stage, booster, losses, complete)
            if stops:
                logger.warning("SIGTERM: stopping after round %d of %d, the model so far is kept", done, n_rounds)
                break
        return Boosted(booster.reset(), tuple(losses))

    def completed(self, stage: str) -> Boosted | None:
        """What the stage gave, if the job that is resumed had completed it."""
        reached = self.checkpoints.stages.get(stage)
        return self._restored(reached) if reached is not None and reached.complete else None

    def longest(self, but: str) -> xgboost.Booster | None:
        """The booster of most rounds that a checkpoint holds, cut at its best round where a loss was looked at.

        The stage named ``but`` isn't one of them.
        """
        stages = (self._restored(stage) for name, stage in self.checkpoints.stages.items() if name != but)
        boosters = (stage.best if stage.losses else stage.booster for stage in stages)
        return max(boosters, key=xgboost.Booster.num_boosted_rounds, default=None)

    def _stops(self) -> bool:
        """Whether any host was asked to stop: all stop after the same round."""
        stops = self.cluster.any(self.stop.requested)
        if stops and len(self.cluster) > 1:
            self.stop.requested = True
        return stops

    def _show(self, booster: xgboost.Booster, matrix: xgboost.DMatrix, n_round: int) -> None:
        """Have the round draw features of those alone that it may look at."""
        part = self.schedule.part(n_round)
        matrix.set_info(feature_weights=self.schedule.weights(part))
        booster.set_param({"colsample_bytree": self.schedule.share(part, self.params["colsample_bytree"])})

    def _is_complete(self, done: int, n_rounds: int, losses: list[float], patience: int) -> bool:
        all_look_at_all = done > self.schedule.moment
        return done >= n_rounds or bool(
            losses and all_look_at_all and len(losses) - losses.index(min(losses)) > patience
        )

    def _restored(self, stage: Stage) -> Boosted:
        return Boosted(xgboost.Booster(self._params(), model_file=bytearray(stage.booster)), stage.losses)

    def _params(self) -> dict[str, Any]:
        return {**self.params, "tree_method": _TREE_METHOD, "seed_per_iteration": True}

    def _save(self, stage: str, booster: xgboost.Booster, losses: list[float], complete: bool) -> None:
        model = bytes(booster.save_raw("ubj"))
        self.checkpoints.save(stage, Stage(model, booster.num_boosted_rounds(), complete, tuple(losses)))


def n_rounds_of(booster: bytes) -> int:
    """Rounds of a booster in XGBoost's UBJSON, 0 where there is none."""
    return xgboost.Booster(model_file=bytearray(booster)).num_boosted_rounds() if booster else 0


def _fresh_generators(booster: xgboost.Booster) -> None:
    booster.set_param({"tree_method": _OTHER_TREE_METHOD})
    booster.num_features()  # parameters take effect at the next call that isn't setting one
    booster.set_param({"tree_method": _TREE_METHOD})


class _Progress:
    """Logs about ten lines a training."""

    def __init__(self, first: int, n_rounds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.first, self.n_rounds, self.clock = first, n_rounds, clock
        self.started = clock()

    def tell(self, done: int) -> None:
        if done == self.first + 1 or done % max(1, self.n_rounds // _PROGRESS_LINES) == 0 or done == self.n_rounds:
            rate = (done - self.first) / (self.clock() - self.started)
            left = (self.n_rounds - done) / rate
            logger.info("round %d of %d, %.3g rounds/s, %.0f s left", done, self.n_rounds, rate, left)
