from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from movielens.pairs import pair_key

HIGH = st.integers(0, 2**31 - 1)
LOW = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(HIGH, LOW)))
def test_keys_are_ordered_like_pairs(pairs: list[tuple[int, int]]) -> None:
    high = np.array([pair[0] for pair in pairs], dtype=np.int64)
    low = np.array([pair[1] for pair in pairs], dtype=np.int64)
    order = np.argsort(pair_key(high, low), kind="stable")
    assert [pairs[place] for place in order] == sorted(pairs)


def test_small_integers_are_widened_first() -> None:
    key = pair_key(np.array([2], dtype=np.int32), np.array([3], dtype=np.int32))
    assert key.tolist() == [2 * 2**32 + 3]
