"""Two ids as one number, so that pairs can be sorted, compared and hashed as one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pair_key(
    high: NDArray[np.integer[Any]], low: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Each pair as one number, int64 (n,): ``high`` in the upper 32 bits.

    Keys rise by ``high`` and then by ``low``.

    Args:
        high: integers (n,), 0 to 2**31 - 1.
        low: integers (n,), 0 to 2**32 - 1.

    Example:
        >>> pair_key(np.array([1, 1, 2]), np.array([5, 7, 0])).tolist()
        [4294967301, 4294967303, 8589934592]
    """
    return high.astype(np.int64) << 32 | low.astype(np.int64)
