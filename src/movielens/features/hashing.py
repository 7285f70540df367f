"""Random draws of rows by a hash of their ids.

The same rows are drawn whatever their order is, and whichever host has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.pairs import pair_key

Hashes = NDArray[np.uint64]

_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)


def mixed(high: NDArray[np.integer[Any]], low: NDArray[np.integer[Any]]) -> Hashes:
    """A hash of each pair of ids, uint64 (n,).

    It is the finalizer of SplitMix64 (Steele et al. 2014) of `pair_key`.
    """
    key = pair_key(high, low).astype(np.uint64)
    key = _folded(key, 30)
    key *= _FIRST_FACTOR
    key = _folded(key, 27)
    key *= _SECOND_FACTOR
    return _folded(key, 31)


def _folded(key: Hashes, n_bits: int) -> Hashes:
    """The upper bits mixed into the lower ones."""
    upper = key >> np.uint64(n_bits)
    return key ^ upper


def drawn(hashes: Hashes, share: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which hashes are drawn, bool (n,), each with a chance of ``share``.

    The upper 32 bits decide. With a share of 1 all are drawn.
    """
    upper_bits = hashes >> np.uint64(32)
    limit = share * np.float64(2**32)
    return np.asarray(upper_bits.astype(np.float64) < limit, dtype=np.bool_)
