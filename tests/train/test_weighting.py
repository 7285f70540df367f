from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters
from train.weighting import row_weights

YEAR = 365.25 * 86_400
ALIKE = Hyperparameters(user_evenness=0, half_life=0)


def table(users: list[int], years: list[float]) -> RatingTable:
    n_rows = len(users)
    seconds = 1e9 + YEAR * np.array(years)
    movies = np.arange(n_rows)
    return RatingTable.of(np.array(users), movies, np.full(n_rows, 3.0), seconds)


def test_rows_weigh_the_same_if_nothing_is_asked_for() -> None:
    rows = table([7, 8, 8, 8], [0, 1, 2, 3])
    assert row_weights(rows, ALIKE).tolist() == [1, 1, 1, 1]


def test_users_weigh_the_same_at_the_highest_evenness() -> None:
    rows = table([8, 7, 8, 8], [0, 0, 0, 0])
    weight = row_weights(rows, replace(ALIKE, user_evenness=1.0))
    assert weight.tolist() == pytest.approx([2 / 3, 2, 2 / 3, 2 / 3])


def test_a_row_weighs_half_as_much_a_half_life_earlier() -> None:
    rows = table([7, 8, 9], [0, 2, 4])
    weight = row_weights(rows, replace(ALIKE, half_life=2.0))
    assert weight[1:] / weight[:-1] == pytest.approx([2, 2])


def test_rows_without_timestamps_have_no_age() -> None:
    rows = replace(table([7, 8], [0, 9]), timestamp=None)
    assert row_weights(rows, replace(ALIKE, half_life=2.0)).tolist() == [1, 1]


def test_weights_are_1_on_average_and_do_not_depend_on_the_order(
    ratings: RatingTable,
) -> None:
    weight = row_weights(ratings, Hyperparameters())
    assert weight.dtype == np.float32
    assert weight.mean() == pytest.approx(1)
    order = np.random.default_rng(1).permutation(len(ratings))
    shuffled = row_weights(ratings.take(order), Hyperparameters())
    assert shuffled == pytest.approx(weight[order])
