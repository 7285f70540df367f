"""Views: matrices of some of the features, one of which each round of boosting looks
at.

XGBoost makes histograms of all features of a matrix in every round, whatever share of
them it then lets the trees use. So that share is drawn beforehand: the features that
rounds of one part may look at are dealt, like cards, into a few matrices, and the
rounds take turns with them. A round takes as much less time as it sees less.

Features of a very large data set aren't kept but made anew for each matrix. There is
one matrix of all of them then, and XGBoost draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.features.parts import Part
from train.blocks import FeatureBlocks, Labels
from train.cluster import ALONE, Cluster
from train.schedule import Schedule

Columns = NDArray[np.int64]
# Quantiles of so many rows are those of all but for noise; those of all take longer
# than putting all rows into bins. They are of the same rows however many hosts share
# them, and so are the bins.
QUANTILE_ROWS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a round looks at.

    Attributes:
        columns: int64 (n_columns,), rising, which of all features the matrices have.
        matrices: of the rows to train on, then of those to check, if there are any.
        share: of the columns that XGBoost draws for each tree.
    """

    columns: Columns
    matrices: tuple[xgboost.QuantileDMatrix, ...]
    share: float = 1.0


@dataclass(slots=True, eq=False)
class Views:
    """The views of one boosting.

    Attributes:
        blocks: the features to train on, then those to check, if there are any.
        label: int64 or float32 (n_rows,), of all rows that the blocks' positions are
            among.
        schedule: which round may look at which features.
        share: of the features allowed, in each view.
        max_bin: bins a feature.
        seed: of the dealing and of the turns.
        cluster: the hosts, each with rows of its own to train on.
    """

    blocks: tuple[FeatureBlocks, ...]
    label: Labels
    schedule: Schedule
    share: float
    max_bin: int
    seed: int
    cluster: Cluster = ALONE
    _part: Part | None = field(default=None, init=False)
    _views: list[View] = field(default_factory=list, init=False)
    _sample: FeatureBlocks | None = field(default=None, init=False)

    def of(self, n_round: int) -> View:
        """The view of a round, counted from 0: the same one in every run of the job."""
        part = self.schedule.part(n_round)
        if part is not self._part:
            self._change(part)
        turn, place = divmod(n_round, len(self._views))
        order = np.random.default_rng([self.seed, turn]).permutation(len(self._views))
        return self._views[int(order[place])]

    def _change(self, part: Part) -> None:
        allowed = self.schedule.columns(part)
        if all(blocks.are_kept for blocks in self.blocks):
            # The memory of those before is given back first.
            self._views = []
            self._views = [
                View(columns, self._matrices(columns))
                for columns in self._dealt(allowed, part)
            ]
        else:
            self._views = [self._drawn(allowed)]
        self._part = part

    def _dealt(self, allowed: Columns, part: Part) -> Iterator[Columns]:
        """Hands of the share's size, in which each column is once; the last is filled
        up with those of the first.
        """
        size = max(1, int(self.share * len(allowed)))
        order = np.random.default_rng([self.seed, part]).permutation(allowed)
        for first in range(0, len(order), size):
            yield np.sort(order.take(range(first, first + size), mode="wrap"))

    def _drawn(self, allowed: Columns) -> View:
        """The one view of all features, of which XGBoost draws those that are allowed."""
        n_features = len(self.schedule.features)
        every = np.arange(n_features)
        matrices = self._views[0].matrices if self._views else self._matrices(every)
        for matrix in matrices:
            matrix.set_info(feature_weights=np.isin(every, allowed).astype(np.float32))
        # Half a feature more, so that rounding down gives the number.
        drawn = max(1, int(self.share * len(allowed))) + 0.5
        return View(every, matrices, min(1.0, drawn / n_features))

    def _matrices(self, columns: Columns) -> tuple[xgboost.QuantileDMatrix, ...]:
        matrices: list[xgboost.QuantileDMatrix] = []
        ref = self._quantiles(columns)
        for blocks in self.blocks:
            matrices.append(
                blocks.of_columns(columns).matrix(self.label, self.max_bin, ref)
            )
            ref = matrices[0]
        return tuple(matrices)

    def _quantiles(self, columns: Columns) -> xgboost.QuantileDMatrix | None:
        """A matrix of some rows of all hosts, whose bins are taken for all rows where
        going through some is cheap.
        """
        blocks = self.blocks[0]
        if not blocks.are_kept:
            return None
        if self._sample is None:
            rows = blocks.rows(self.cluster)
            self._sample = blocks.among(
                rows[:: max(1, len(rows) // QUANTILE_ROWS)]
            ).together(self.cluster)
        return self._sample.of_columns(columns).matrix(self.label, self.max_bin)
