"""Views: matrices of some of the features. Each round of boosting looks at one view.

XGBoost makes histograms of all features of a matrix in every round, even if the trees
may use only a share of them (``colsample_bytree``). So that share is drawn beforehand:
the features that the rounds may look at are dealt into a few matrices, like cards into
hands, and the rounds take turns with the matrices. A round that sees fewer features
takes less time.

The views of all chains are filled from the same bins, which are made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xgboost

from movielens.features import Part
from train.bins import BinnedBlocks, Cuts
from train.blocks import FeatureBlocks
from train.cluster import ALONE, Cluster
from train.quantised_matrix import Columns, Label, Weight, quantised_matrix

# The quantiles of this many rows are those of all rows but for noise, and they take
# less time to find. They come from the same rows however many hosts there are, so the
# bins don't depend on the hosts.
QUANTILE_ROWS = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a round looks at.

    Attributes:
        columns: int64 (n_columns,), rising: the features of the matrices, as positions
            among all features.
        matrices: of the rows to train on, and of the rows held out if there are any.
            Their values are the numbers of bins.
        cuts: between the bins of all features.
    """

    columns: Columns
    matrices: tuple[xgboost.QuantileDMatrix, ...]
    cuts: Cuts


@dataclass(slots=True, eq=False)
class Bins:
    """All blocks in the bins of the rows to train on, made when they are first needed.

    Attributes:
        blocks: of the rows to train on, and of the rows held out if there are any.
        max_bin: bins a feature.
        cluster: the hosts, each with training rows of its own.
        quantile_rows: about how many rows the bins are found on.
    """

    blocks: tuple[FeatureBlocks, ...]
    max_bin: int
    cluster: Cluster = ALONE
    quantile_rows: int = QUANTILE_ROWS
    _binned: tuple[BinnedBlocks, ...] = field(default=(), init=False)

    def binned(self) -> tuple[BinnedBlocks, ...]:
        """The blocks, in the same order."""
        if not self._binned:
            cuts = self._cuts()
            self._binned = tuple(BinnedBlocks.of(each, cuts) for each in self.blocks)
        return self._binned

    def _cuts(self) -> Cuts:
        """The cuts in some rows of all hosts."""
        blocks = self.blocks[0]
        rows = blocks.rows(self.cluster)
        step = max(1, len(rows) // self.quantile_rows)
        sample = blocks.among(rows[::step]).together(self.cluster)
        [(_, features)] = sample.make()
        return Cuts.of(features, self.max_bin)


@dataclass(slots=True, eq=False)
class Views:
    """The views of one chain of rounds.

    Attributes:
        bins: of the rows.
        label: int64 or float32 (n_rows,), of all rows that the blocks count.
        part: what the rounds look at.
        allowed: int64, the positions of these features.
        share: of the features allowed, which each view has.
        seed: of the dealing and of the turns.
        weight: float32 (n_rows,), of all rows; None if they are alike. Losses on rows
            held out have no weights.
    """

    bins: Bins
    label: Label
    part: Part
    allowed: Columns
    share: float
    seed: int
    weight: Weight | None = None
    _views: list[View] = field(default_factory=list, init=False)

    def of(self, n_round: int) -> View:
        """The view of a round, counted from 0: the same in every run of the job."""
        if not self._views:
            self._views = list(self._dealt())
        n_views = len(self._views)
        turn, place = divmod(n_round, n_views)
        rng = np.random.default_rng([self.seed, turn])
        order = rng.permutation(n_views)
        return self._views[int(order[place])]

    def let_go(self) -> None:
        """Free the memory of the matrices; they are made again if they are needed."""
        self._views = []

    def _dealt(self) -> Iterator[View]:
        """Views of the share's size; each allowed feature is in one."""
        size = max(1, int(self.share * len(self.allowed)))
        rng = np.random.default_rng([self.seed, self.part])
        shuffled = rng.permutation(self.allowed)

        for first in range(0, len(shuffled), size):
            positions = range(first, first + size)
            # The last hand is filled up with columns of the first.
            hand = shuffled.take(positions, mode="wrap")
            yield self._view(np.sort(hand))

    def _view(self, columns: Columns) -> View:
        binned = self.bins.binned()
        max_bin = self.bins.max_bin
        weights = self.weight, *(None for _ in binned[1:])
        matrices = [
            quantised_matrix(blocks, columns, self.label, max_bin, weight)
            for blocks, weight in zip(binned, weights, strict=True)
        ]
        return View(columns, tuple(matrices), binned[0].cuts)
