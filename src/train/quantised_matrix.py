"""XGBoost's quantised matrix, filled block by block, so that the full matrix of floats
never exists.

XGBoost goes through the blocks twice: to find the quantiles, then to put every value
into its bin. A quantised matrix with missing values takes four bytes a value and more
time; one without takes a single byte. So a missing value is replaced by `MISSING`, a
number below all others. The trees are changed afterwards to send missing values where
that number went (`train.model_surgery.GrowingBooster`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from train.blocks import Block, FeatureBlocks

Label = NDArray[np.int64] | NDArray[np.float32]

MISSING = np.float32(-3e38)


def quantised_matrix(
    blocks: FeatureBlocks,
    label: Label,
    max_bin: int,
    bins_of: xgboost.DMatrix | None = None,
) -> xgboost.QuantileDMatrix:
    """The matrix of some rows, in the order of their blocks.

    Args:
        blocks: the features; positions of rows point into ``label``.
        label: int64 or float32 (n_rows,), the class index or the stars of all rows.
        max_bin: bins a feature.
        bins_of: a matrix whose bins are used; new ones are found without it.
    """
    source = _BlockIterator(blocks, label)
    return xgboost.QuantileDMatrix(source, max_bin=max_bin, ref=bins_of)


class _BlockIterator(xgboost.DataIter):
    """Hands the blocks to XGBoost, as often as it asks for them."""

    def __init__(self, blocks: FeatureBlocks, label: Label) -> None:
        super().__init__(release_data=True)
        self._blocks = blocks
        self._label = label
        self._left: Iterator[Block] = iter(())
        self._has_given = False

    def reset(self) -> None:
        """Begin anew."""
        self._left = self._blocks.make()
        self._has_given = False

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over one block; False when there is none left."""
        block = next(self._left, None)
        if block is None and self._has_given:
            return False
        if block is None:
            # A host without rows needs a matrix too.
            block = self._blocks.no_rows()
        self._has_given = True

        rows, features = block
        # Of a number and NaN, fmax takes the number.
        values = np.fmax(features.values, MISSING)
        names = [column.name for column in self._blocks.columns]
        input_data(data=values, label=self._label[rows], feature_names=names)
        return True
