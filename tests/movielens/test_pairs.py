from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from movielens.pairs import pair_key

HIGH = st.integers(0, 2**31 - 1)
LOW = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(HIGH, LOW)))
def test_keys_are_ordered_like_pairs(pairs: list[tuple[int, int]]) -> None:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    keys = pair_key(table[:, 0], table[:, 1])
    order = np.argsort(keys, kind="stable")
    in_order = [pairs[place] for place in order]
    assert in_order == sorted(pairs)


def test_small_integers_are_widened_first() -> None:
    key = pair_key(np.array([2], dtype=np.int32), np.array([3], dtype=np.int32))
    assert key.tolist() == [2 * 2**32 + 3]
