from __future__ import annotations

import numpy as np
import pytest

from movielens.features.hashing import drawn, mixed


def test_hashes_are_those_of_splitmix64() -> None:
    """The finalizer of the reference code, for the pair (0, 1) and for (1, 0)."""

    def finalize(key: int) -> int:
        mask = 2**64 - 1
        key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 & mask
        key = (key ^ key >> 27) * 0x94D049BB133111EB & mask
        return key ^ key >> 31

    found = mixed(np.array([0, 1]), np.array([1, 0]))
    assert found.tolist() == [finalize(1), finalize(2**32)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_about_the_share_is_drawn(share: float) -> None:
    ids = np.arange(10_000)
    assert drawn(mixed(ids, ids), share).mean() == pytest.approx(share, abs=0.02)


def test_with_a_share_of_1_all_are_drawn() -> None:
    assert drawn(np.array([0, 2**64 - 1], dtype=np.uint64), 1.0).all()
