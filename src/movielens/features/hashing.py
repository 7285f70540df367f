"""Random draws of rows by a hash of their ids.

The same rows are drawn whatever their order is, and whichever host has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.pairs import pair_key

Hashes = NDArray[np.uint64]


def mixed(high: NDArray[np.integer[Any]], low: NDArray[np.integer[Any]]) -> Hashes:
    """A hash of each pair of ids, uint64 (n,).

    It is the finalizer of SplitMix64 (Steele et al. 2014) of `pair_key`.
    """
    key = pair_key(high, low).astype(np.uint64)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def drawn(hashes: Hashes, share: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which hashes are drawn, bool (n,), each with a chance of ``share``.

    The highest bits decide. With a share of 1 all are drawn.
    """
    highest_bits = (hashes >> np.uint64(32)).astype(np.float64)
    return np.asarray(highest_bits < share * np.float64(2**32), dtype=np.bool_)
