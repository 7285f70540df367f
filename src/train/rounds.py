"""Round after round of boosting. A run that was interrupted ends with the very same
model as one that wasn't.

The first rounds of a chain go along axes (`train.axes`). Each of the others grows a
tree for every class.

Each round is a booster of its own, which begins at the margins that the rounds before
it have reached. So each round can look at a matrix of other features (`train.views`).
XGBoost doesn't save the state of its random generators with a model, so they are seeded
by the number of the round. `train.model_surgery` joins the rounds into one booster,
whose margins are exactly the sums that the rounds made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from train.axes import Axes
from train.blocks import FeatureBlocks
from train.checkpoint import Stage
from train.context import TrainingContext
from train.model_surgery import GrowingBooster
from train.views import View, Views

# float32 (n_rows, n_classes), or (n_rows,) of a regression.
Margins = NDArray[np.float32]

logger = logging.getLogger(__name__)

_PROGRESS_LINES = 10
_TREE_METHOD = "hist"

# A tree along an axis stands once for each class in the model. Deeper ones would take
# more memory than a small server has, once it is asked for contributions.
_AXIS_DEPTH = 6


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """What a stage of boosting gave.

    Attributes:
        ubjson: the booster with all its rounds, as XGBoost's UBJSON. So it takes less
            memory than if XGBoost held it.
        n_rounds: rounds in all.
        is_complete: whether it has all the rounds that it should; otherwise a stop
            ended it.
        losses: the loss on the rows held out after each new round; empty without such
            rows.
    """

    ubjson: bytes
    n_rounds: int
    is_complete: bool = True
    losses: tuple[float, ...] = ()

    @property
    def booster(self) -> xgboost.Booster:
        """The booster, anew each time."""
        return xgboost.Booster(model_file=bytearray(self.ubjson))

    @property
    def best(self) -> Boosted:
        """The rounds up to the first one with the lowest loss."""
        n_before = self.n_rounds - len(self.losses)
        n_best = n_before + self.losses.index(min(self.losses)) + 1
        best = self.booster[:n_best]
        return Boosted(bytes(best.save_raw("ubj")), n_best)


@dataclass(frozen=True, slots=True, eq=False)
class Boosting:
    """How a chain of rounds is boosted.

    Attributes:
        params: XGBoost's, with the seed.
        context: how to train.
        start: a booster to go on from, as XGBoost's UBJSON; empty to begin anew. It may
            have no rounds, and only say from where they begin.
        axes: along which the first rounds go; None of a regression.
        n_axis_rounds: how many these are, of those that ``start`` has or that follow.
    """

    params: Mapping[str, Any]
    context: TrainingContext
    start: bytes = b""
    axes: Axes | None = None
    n_axis_rounds: int = 0

    def run(
        self, stage: str, views: Views, n_rounds: int, patience: int | None = None
    ) -> Boosted:
        """Boost one stage, from where its checkpoint ends.

        The stage ends when there are ``n_rounds`` rounds, when a stop was asked for, or
        when ``patience`` rounds brought no lower loss.

        Args:
            stage: its name in the checkpoints.
            views: what the rounds look at, and the rows. After each round, the loss of
                rows that are held out is measured.
            n_rounds: rounds in all, those of an earlier model included.
            patience: rounds without a lower loss that end the stage; None if all rounds
                are wanted. Rounds along axes never end it.
        """
        [blocks, *_] = views.bins.blocks
        reached = self.context.checkpoints.stages.get(stage)
        growing = GrowingBooster(
            blocks.names, reached.booster if reached else self.start
        )
        losses = list(reached.losses) if reached else []

        is_complete = self._is_complete(growing.n_rounds, n_rounds, losses, patience)
        if not is_complete:
            is_complete = self._grow(stage, growing, losses, views, n_rounds, patience)
            # Saving takes memory too, so let go of the matrices.
            views.let_go()
            self._save(stage, growing, losses, is_complete)
        return self._restored(self.context.checkpoints.stages[stage])

    def _grow(
        self,
        stage: str,
        growing: GrowingBooster,
        losses: list[float],
        views: Views,
        n_rounds: int,
        patience: int | None,
    ) -> bool:
        """Add rounds to ``growing`` and ``losses``.

        Returns:
            Whether the stage is complete; otherwise a stop ended it.
        """
        # The first view makes the features, which isn't part of the rate.
        view = views.of(growing.n_rounds)
        progress = _Progress(growing.n_rounds, n_rounds)
        if not growing.has_begun and self.n_axis_rounds:
            growing.begin(self._first_stumps(view))
        margins = _margins(growing, views.bins.blocks, view)
        while True:
            if self.axes is not None and growing.n_rounds < self.n_axis_rounds:
                margins = self._along_axes(self.axes, growing, view, margins)
            else:
                margins = self._for_each_class(growing, view, margins)
            losses.extend(self._losses(view, margins))

            n_done = growing.n_rounds
            progress.report(n_done)
            is_complete = self._is_complete(n_done, n_rounds, losses, patience)
            is_stopped = self.is_stopped()
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
            view = views.of(n_done)

    def _for_each_class(
        self, growing: GrowingBooster, view: View, margins: Sequence[Margins]
    ) -> list[Margins]:
        """Add a round with a tree for every class; the margins that it reaches."""
        matrices = view.matrices
        for matrix, margin in zip(matrices, margins, strict=bool(margins)):
            matrix.set_info(base_margin=margin)

        booster = self._booster(view, growing.n_rounds)
        booster.update(matrices[0], 0)
        growing.add(booster, view.columns, view.cuts)
        return [booster.predict(each, output_margin=True) for each in matrices]

    def _along_axes(
        self,
        axes: Axes,
        growing: GrowingBooster,
        view: View,
        margins: Sequence[Margins],
    ) -> list[Margins]:
        """Add a round with a tree for every axis; the margins that it reaches."""
        matrix = view.matrices[0]
        class_index = matrix.get_label().astype(np.int64)
        gradient, hessian = axes.derivatives(margins[0], class_index)
        weight = matrix.get_weight()
        if len(weight):
            gradient *= weight[:, np.newaxis]
            hessian *= weight[:, np.newaxis]

        # These trees give steps, which begin at 0.
        for each in view.matrices:
            nothing = np.zeros((each.num_row(), len(axes)), dtype=np.float32)
            each.set_info(base_margin=nothing)
        max_depth = min(self.params["max_depth"], _AXIS_DEPTH)
        booster = self._booster(
            view, growing.n_rounds, num_class=len(axes), max_depth=max_depth
        )
        # Then XGBoost notes the steps while it grows the trees.
        booster.predict(matrix, output_margin=True, training=True)
        booster.boost(matrix, iteration=0, grad=gradient, hess=hessian)
        growing.add(booster, view.columns, view.cuts, axes)
        return [
            axes.moved(margin, booster.predict(each, output_margin=True))
            for margin, each in zip(margins, view.matrices, strict=True)
        ]

    def _losses(self, view: View, margins: Sequence[Margins]) -> Iterator[float]:
        """The loss on the rows held out, of all hosts, if there are such rows."""
        held_out = zip(view.matrices[1:], margins[1:], strict=True)
        for matrix, reached in held_out:
            matrix.set_info(base_margin=reached)
            # It has no trees, so these margins are its answer.
            booster = self._booster(view, 0)
            # XGBoost answers with text: "[0]\teval-mlogloss:1.25".
            text = booster.eval(matrix)
            _, _, loss = text.rpartition(":")
            yield float(loss)

    def _first_stumps(self, view: View) -> xgboost.Booster:
        """A booster that knows where trees begin, which XGBoost finds when it boosts.

        Its trees, the smallest possible ones, aren't used.
        """
        booster = self._booster(view, 0, max_depth=1)
        booster.update(view.matrices[0], 0)
        return booster

    def _booster(self, view: View, n_round: int, **changes: object) -> xgboost.Booster:
        """A booster for one round of a view."""
        sequence = np.random.SeedSequence([self.params["seed"], n_round])
        # XGBoost takes 31 bits.
        seed = int(sequence.generate_state(1)[0] >> 1)
        params = {
            **self.params,
            "tree_method": _TREE_METHOD,
            "seed": seed,
            # The view is the share.
            "colsample_bytree": 1.0,
            **changes,
        }
        return xgboost.Booster(params, view.matrices)

    def _is_complete(
        self, n_done: int, n_rounds: int, losses: list[float], patience: int | None
    ) -> bool:
        if n_done >= n_rounds:
            return True
        if not losses or patience is None or n_done <= self.n_axis_rounds:
            return False
        n_since_best = len(losses) - losses.index(min(losses))
        return n_since_best > patience

    def reached(self, stage: str) -> Boosted | None:
        """What the checkpoint has of a stage; None if it has nothing."""
        stages = self.context.checkpoints.stages
        return self._restored(stages[stage]) if stage in stages else None

    def is_stopped(self) -> bool:
        """Whether any host was asked to stop: all stop after the same round."""
        stop = self.context.stop
        cluster = self.context.cluster
        is_stopped = cluster.any(stop.requested)
        if is_stopped and len(cluster) > 1:
            stop.requested = True
        return is_stopped

    def _restored(self, stage: Stage) -> Boosted:
        return Boosted(stage.booster, stage.n_rounds, stage.complete, stage.losses)

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


def _margins(
    growing: GrowingBooster, parts: Sequence[FeatureBlocks], view: View
) -> list[Margins]:
    """Margins of each part's rows, in the order of its blocks.

    There are none before the very first round, which begins where XGBoost begins.
    """
    if not growing.has_begun:
        return []
    booster = growing.booster()
    if not growing.n_rounds:
        return [_first_margins(booster, matrix) for matrix in view.matrices]
    return [_reached_margins(booster, blocks) for blocks in parts]


def _first_margins(booster: xgboost.Booster, matrix: xgboost.DMatrix) -> Margins:
    """Margins of all rows of a matrix by a booster without rounds."""
    any_row = np.zeros((1, booster.num_features()), dtype=np.float32)
    margins = booster.inplace_predict(any_row, predict_type="margin")
    return np.repeat(margins, matrix.num_row(), axis=0)


def _reached_margins(booster: xgboost.Booster, blocks: FeatureBlocks) -> Margins:
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
