"""The baselines' figures, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from movielens.evaluation import Figures
from movielens.ratings import RatingScale
from movielens.tables import RatingTable
from train.baselines import evaluate_baselines

SCALE = RatingScale.of(np.array([1, 5], np.float32))


def table(user: list[int], movie: list[int], rating: list[float]) -> RatingTable:
    return RatingTable.of(
        np.array(user, np.int32),
        np.array(movie, np.int32),
        np.array(rating, np.float32),
        None,
    )


@pytest.fixture(scope="module")
def figures() -> dict[str, Figures]:
    train = table(
        user=[1, 1, 2, 2],
        movie=[7, 8, 7, 9],
        rating=[5, 5, 1, 5],
    )
    test = table(
        user=[1, 2, 3],
        movie=[7, 7, 10],
        rating=[5, 3, 5],
    )
    return evaluate_baselines(train, test, SCALE)


def test_the_most_frequent_class_is_the_same_for_all(
    figures: dict[str, Figures],
) -> None:
    # The mean of all training ratings is 4.
    errors = [5 - 4, 4 - 3, 5 - 4]
    assert figures["most_frequent_class"].accuracy == pytest.approx(2 / 3)
    assert figures["most_frequent_class"].mae == pytest.approx(sum(errors) / 3)


def test_a_users_mean_is_drawn_towards_the_mean_of_all(
    figures: dict[str, Figures],
) -> None:
    # A prior of five ratings with mean 4.
    user_1 = (5 + 5 + 5 * 4) / 7
    user_2 = (1 + 5 + 5 * 4) / 7
    unknown = 4
    errors = [5 - user_1, user_2 - 3, 5 - unknown]
    assert figures["user_mean"].mae == pytest.approx(sum(errors) / 3, abs=1e-6)


def test_a_movies_mean_is_drawn_towards_the_mean_of_all(
    figures: dict[str, Figures],
) -> None:
    movie_7 = (5 + 1 + 5 * 4) / 7
    unknown = 4
    errors = [5 - movie_7, movie_7 - 3, 5 - unknown]
    assert figures["movie_mean"].mae == pytest.approx(sum(errors) / 3, abs=1e-6)


def test_all_baselines_have_all_figures(figures: dict[str, Figures]) -> None:
    assert list(figures) == ["most_frequent_class", "user_mean", "movie_mean"]
    for each in figures.values():
        assert sum(each.distance.values()) == pytest.approx(1)
