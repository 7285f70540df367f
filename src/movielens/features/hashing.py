"""Rows drawn by a hash of their ids: whatever the order of rows, or who holds them, the
same ones are drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mixed(high: NDArray[np.integer], low: NDArray[np.integer]) -> NDArray[np.uint64]:
    """A hash of each pair of numbers below 2**32, uint64 (n,): the finalizer of
    SplitMix64 (Steele et al. 2014).
    """
    key = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def drawn(
    hashes: NDArray[np.uint64], share: float | NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each is drawn, bool (n,), with a chance of ``share`` each; by the highest
    bits, all where it is 1.
    """
    return np.asarray(
        (hashes >> np.uint64(32)).astype(np.float64) < share * np.float64(2**32),
        dtype=np.bool_,
    )
