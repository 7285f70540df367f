"""Shares of margins as stars, worked out by hand.

That they add up for real trees is in tests/serve/test_contributions.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.contributions import in_stars, on_scale, put_into_base


def test_an_estimate_off_the_scale_is_shortened() -> None:
    # Two features and the base, which is 3.5 stars in each row.
    too_high = [0.5, 2.0, 3.5]
    on_the_scale = [1.0, -0.5, 3.5]
    at_the_base = [0.0, 0.0, 3.5]
    base, stars = on_scale(np.array([too_high, on_the_scale, at_the_base]), (1.0, 5.0))
    assert base.tolist() == [3.5, 3.5, 3.5]
    assert stars[0].tolist() == pytest.approx([0.3, 1.2])
    assert stars[1].tolist() == pytest.approx([1.0, -0.5])
    assert stars[2].tolist() == [0.0, 0.0]


def test_a_feature_that_moves_the_margins_alone_gets_the_whole_difference() -> None:
    class_values = np.array([1.0, 2.0, 3.0])
    idle_feature = np.zeros(3)
    moving_feature = np.array([1.0, -0.5, 2.0])
    base_margins = np.array([0.3, 0.2, -0.1])
    parts = np.stack([idle_feature, moving_feature, base_margins], axis=1)
    base, stars = in_stars(parts[None], class_values)

    def expected_rating(margins: NDArray[np.float64]) -> float:
        weights = np.exp(margins)
        return float(weights @ class_values / weights.sum())

    of_base = expected_rating(base_margins)
    of_row = expected_rating(base_margins + moving_feature)
    assert base[0] == pytest.approx(of_base)
    assert stars[0, 0] == 0
    assert stars[0, 1] == pytest.approx(of_row - of_base, abs=1e-9)


def test_what_gates_add_is_part_of_the_base() -> None:
    gate, other, base = 0.5, 2.0, 3.0
    parts = np.array([[gate, other, base]])
    put_into_base(parts, np.array([True, False]))
    assert parts.tolist() == [[0.0, other, gate + base]]
