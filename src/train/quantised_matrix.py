"""XGBoost's quantised matrix of some features, filled from bins (`train.bins`).

XGBoost goes through the blocks three times: to count the values, then to put each into
its bin by row, then by column. Here a value is the number of its bin, so a few rows,
one a bin, tell XGBoost all cuts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xgboost
from numpy.typing import NDArray

from train.bins import BinnedBlocks, Cuts

Label = NDArray[np.int64] | NDArray[np.float32]
Columns = NDArray[np.int64]
Weight = NDArray[np.float32]


def quantised_matrix(
    blocks: BinnedBlocks,
    columns: Columns,
    label: Label,
    max_bin: int,
    weight: Weight | None = None,
) -> xgboost.QuantileDMatrix:
    """The matrix of some rows, in the order of their blocks.

    Args:
        blocks: the bins; positions of rows point into ``label``.
        columns: int64 (n_columns,), which features, as positions among all.
        label: int64 or float32 (n_rows,), the class index or the stars of all rows.
        max_bin: bins a feature, as the cuts were found with.
        weight: float32 (n_rows,), of all rows; None if they are alike.
    """
    every_bin = _every_bin(blocks.cuts, columns)
    reference = xgboost.QuantileDMatrix(every_bin, max_bin=max_bin)
    source = _BlockIterator(blocks, columns, label, weight)
    return xgboost.QuantileDMatrix(source, max_bin=max_bin, ref=reference)


def _every_bin(cuts: Cuts, columns: Columns) -> NDArray[np.float32]:
    """Rows in which each feature has each of its bins, float32 (n_rows, n_columns)."""
    n_bins = cuts.n_bins[columns]
    last = n_bins - 1
    row = np.arange(n_bins.max(initial=1))
    values = np.minimum(row[:, np.newaxis], last)
    return values.astype(np.float32)


class _BlockIterator(xgboost.DataIter):
    """Hands the blocks to XGBoost, as often as it asks for them."""

    def __init__(
        self,
        blocks: BinnedBlocks,
        columns: Columns,
        label: Label,
        weight: Weight | None,
    ) -> None:
        super().__init__(release_data=True)
        self._blocks = blocks
        self._columns = columns
        self._label = label
        self._weight = weight
        self._n_given = 0

    def reset(self) -> None:
        """Begin anew."""
        self._n_given = 0

    def next(self, input_data: Callable[..., object]) -> bool:
        """Hand over one block; False when there is none left."""
        blocks = self._blocks.blocks
        if self._n_given == len(blocks):
            return False
        rows, bins = blocks[self._n_given]
        self._n_given += 1

        names = [self._blocks.names[column] for column in self._columns]
        input_data(
            data=bins[self._columns].T,
            label=self._label[rows],
            weight=None if self._weight is None else self._weight[rows],
            feature_names=names,
        )
        return True
