from __future__ import annotations

import numpy as np
import pytest

from movielens.tables import RatingTable
from train.weighting import user_weights


def test_rows_weigh_the_same_at_the_lowest_evenness() -> None:
    assert user_weights(np.array([7, 8, 8, 8]), 0).tolist() == [1, 1, 1, 1]


def test_users_weigh_the_same_at_the_highest_evenness() -> None:
    weight = user_weights(np.array([8, 7, 8, 8]), 1)
    assert weight.tolist() == pytest.approx([2 / 3, 2, 2 / 3, 2 / 3])


def test_between_them_rows_weigh_a_power_of_the_number() -> None:
    few, *_, many = user_weights(np.array([7, *[8] * 16]), 0.25)
    assert few / many == pytest.approx(2)


def test_weights_are_1_on_average_and_do_not_depend_on_the_order(
    ratings: RatingTable,
) -> None:
    weight = user_weights(ratings.user_id, 0.25)
    assert weight.dtype == np.float32
    assert weight.mean() == pytest.approx(1)
    order = np.random.default_rng(1).permutation(len(ratings))
    shuffled = user_weights(ratings.user_id[order], 0.25)
    assert shuffled == pytest.approx(weight[order])
