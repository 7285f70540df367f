"""Views: matrices of some of the features. Each round of boosting looks at one view.

XGBoost makes histograms of all features of a matrix in every round, even if the trees
may use only a share of them (``colsample_bytree``). So that share is drawn beforehand:
the features that the rounds may look at are dealt into a few matrices, like cards into
hands, and the rounds take turns with the matrices. A round that sees fewer features
takes less time.

The features of a very large data set aren't kept, and each matrix would make them anew.
Then there is one matrix of all features, and XGBoost draws the share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.features import Part
from train.blocks import FeatureBlocks
from train.cluster import ALONE, Cluster
from train.quantised_matrix import Label, quantised_matrix
from train.schedule import Schedule

Columns = NDArray[np.int64]

# The quantiles of this many rows are those of all rows but for noise, and they take
# less time to find. They come from the same rows however many hosts there are, so the
# bins don't depend on the hosts.
QUANTILE_ROWS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a round looks at.

    Attributes:
        columns: int64 (n_columns,), rising: the features of the matrices, as positions
            among all features.
        matrices: of the rows to train on, and of the rows held out if there are any.
        share: of the columns, which XGBoost draws for each tree.
    """

    columns: Columns
    matrices: tuple[xgboost.QuantileDMatrix, ...]
    share: float = 1.0


@dataclass(slots=True, eq=False)
class Views:
    """The views of one boosting.

    Attributes:
        blocks: of the rows to train on, and of the rows held out if there are any.
        label: int64 or float32 (n_rows,), of all rows that the blocks count.
        schedule: which round may look at which features.
        share: of the features allowed, which each view has.
        max_bin: bins a feature.
        seed: of the dealing and of the turns.
        cluster: the hosts, each with training rows of its own.
        quantile_rows: about how many rows the bins are found on.
    """

    blocks: tuple[FeatureBlocks, ...]
    label: Label
    schedule: Schedule
    share: float
    max_bin: int
    seed: int
    cluster: Cluster = ALONE
    quantile_rows: int = QUANTILE_ROWS
    _part: Part | None = field(default=None, init=False)
    _views: list[View] = field(default_factory=list, init=False)
    _sample: FeatureBlocks | None = field(default=None, init=False)

    def of(self, n_round: int) -> View:
        """The view of a round, counted from 0: the same in every run of the job."""
        part = self.schedule.part(n_round)
        if part is not self._part:
            self._change(part)
        n_views = len(self._views)
        turn, place = divmod(n_round, n_views)
        rng = np.random.default_rng([self.seed, turn])
        order = rng.permutation(n_views)
        return self._views[int(order[place])]

    def _change(self, part: Part) -> None:
        allowed = self.schedule.columns(part)
        if all(blocks.are_kept for blocks in self.blocks):
            # Free the memory of the views before, then make new ones.
            self._views = []
            self._views = [
                View(hand, self._matrices(hand)) for hand in self._dealt(allowed, part)
            ]
        else:
            self._views = [self._drawn(allowed)]
        self._part = part

    def _dealt(self, allowed: Columns, part: Part) -> Iterator[Columns]:
        """Hands of the share's size; each column is in one."""
        size = max(1, int(self.share * len(allowed)))
        rng = np.random.default_rng([self.seed, part])
        shuffled = rng.permutation(allowed)

        for first in range(0, len(shuffled), size):
            positions = range(first, first + size)
            # The last hand is filled up with columns of the first.
            hand = shuffled.take(positions, mode="wrap")
            yield np.sort(hand)

    def _drawn(self, allowed: Columns) -> View:
        """The one view of all features, of which XGBoost draws some allowed ones."""
        n_features = len(self.schedule.features)
        every = np.arange(n_features)
        matrices = self._views[0].matrices if self._views else self._matrices(every)

        weights = np.isin(every, allowed).astype(np.float32)
        for matrix in matrices:
            matrix.set_info(feature_weights=weights)

        # XGBoost rounds share * n_features down; half a feature more makes it exact.
        n_drawn = max(1, int(self.share * len(allowed))) + 0.5
        return View(every, matrices, min(1.0, n_drawn / n_features))

    def _matrices(self, columns: Columns) -> tuple[xgboost.QuantileDMatrix, ...]:
        matrices: list[xgboost.QuantileDMatrix] = []
        bins_of = self._quantiles(columns)
        for blocks in self.blocks:
            chosen = blocks.of_columns(columns)
            matrix = quantised_matrix(chosen, self.label, self.max_bin, bins_of)
            matrices.append(matrix)
            bins_of = matrices[0]
        return tuple(matrices)

    def _quantiles(self, columns: Columns) -> xgboost.QuantileDMatrix | None:
        """A matrix of some rows of all hosts, with the bins for all rows.

        None if features aren't kept: going through them once more would take too long.
        """
        blocks = self.blocks[0]
        if not blocks.are_kept:
            return None
        if self._sample is None:
            rows = blocks.rows(self.cluster)
            step = max(1, len(rows) // self.quantile_rows)
            self._sample = blocks.among(rows[::step]).together(self.cluster)
        chosen = self._sample.of_columns(columns)
        return quantised_matrix(chosen, self.label, self.max_bin)
