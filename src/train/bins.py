"""Bins: every value of a feature becomes a small whole number, once for all rounds.

1. XGBoost finds the cuts of all features, on a sample of the rows (`Cuts.of`).
2. Each value is put between two cuts (`Cuts.bins`). One byte a value is enough.
3. XGBoost gets the numbers of the bins as if they were the features
   (`train.quantised_matrix`), so no quantile is sought again.
4. Trees that were grown on bins get the cuts back (`Cuts.thresholds`).

The trees are the same, bit by bit, as if XGBoost had seen the values: it splits between
bins, and takes no notice of the numbers inside.

A missing value goes into the lowest bin, because a quantised matrix with missing values
takes four times the memory and more time. The trees are changed afterwards to send
missing values there (`train.model_surgery.GrowingBooster`).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.features import FeatureMatrix
from movielens.machine import cpus
from train.blocks import FeatureBlocks, Rows

# uint8 or uint16 (n_features, n_rows).
Bins = NDArray[np.unsignedinteger]

# A number below all others.
_MISSING = np.float32(-3e38)


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Where the bins of each feature begin and end.

    The numbers of a feature are the lower end of its first bin and the upper ends of
    all its bins. What is beyond them belongs to the first or the last bin.

    Attributes:
        start: int64 (n_features + 1,), where each feature's numbers begin in ``value``.
        value: float32, the numbers of all features, rising within a feature.
    """

    start: NDArray[np.int64]
    value: NDArray[np.float32]

    @classmethod
    def of(cls, sample: FeatureMatrix, max_bin: int) -> Self:
        """The cuts that XGBoost finds in these rows.

        Args:
            sample: at least one row. Its missing values are overwritten, since a copy
                would take as much memory as all else in a small job.
            max_bin: bins a feature at most.
        """
        np.fmax(sample.values, _MISSING, out=sample.values)
        matrix = xgboost.QuantileDMatrix(sample.values, max_bin=max_bin)
        start, value = matrix.get_quantile_cut()
        return cls(start.astype(np.int64), value)

    @property
    def n_bins(self) -> NDArray[np.int64]:
        """int64 (n_features,), the bins of each feature, at least one."""
        return np.diff(self.start) - 1

    def bins(self, features: FeatureMatrix) -> Bins:
        """The bin of each value, counted from 0."""
        n_rows, n_features = features.values.shape
        n_most = int(self.n_bins.max(initial=1))
        dtype = np.min_scalar_type(n_most - 1)
        bins = np.empty((n_features, n_rows), dtype)

        def fill(feature: int) -> None:
            values = np.fmax(features.values[:, feature], _MISSING)
            # The upper end of the last bin holds nothing back.
            inner = self._numbers_of(feature)[1:-1]
            bins[feature] = np.searchsorted(inner, values, side="right")

        # Searching releases the GIL.
        with ThreadPoolExecutor(cpus()) as threads:
            list(threads.map(fill, range(n_features)))
        return bins

    def thresholds(
        self, feature: NDArray[np.int64], split: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What trees that were grown on bins have to compare values with.

        Args:
            feature: int64 (n,), the feature of each split.
            split: float32 (n,), the number of a bin, or one beyond them all.
        """
        last = self.n_bins[feature]
        place = np.ceil(split).clip(0, last)
        first = self.start[feature]
        return self.value[first + place.astype(np.int64)]

    def _numbers_of(self, feature: int) -> NDArray[np.float32]:
        return self.value[self.start[feature] : self.start[feature + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class BinnedBlocks:
    """Features of some rows, in bins.

    Attributes:
        names: of all features.
        cuts: between the bins.
        blocks: positions of rows, and their bins.
    """

    names: tuple[str, ...]
    cuts: Cuts
    blocks: tuple[tuple[Rows, Bins], ...]

    @classmethod
    def of(cls, blocks: FeatureBlocks, cuts: Cuts) -> Self:
        """The rows of these blocks, in their order."""
        return cls(blocks.names, cuts, tuple(_binned(blocks, cuts)))


def _binned(blocks: FeatureBlocks, cuts: Cuts) -> Iterator[tuple[Rows, Bins]]:
    is_empty = True
    for rows, features in blocks.make():
        is_empty = False
        yield rows, cuts.bins(features)
    if is_empty:
        # A host without rows needs a matrix too.
        rows, features = blocks.no_rows()
        yield rows, cuts.bins(features)
