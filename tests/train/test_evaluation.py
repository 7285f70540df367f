"""Figures worked out by hand, and what holds of any figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.evaluation import Figures
from movielens.predictions import Predictions
from train.evaluation import evaluate, quadratic_weighted_kappa, reliability_bins

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)


def certain(classes: list[int]) -> Predictions:
    """Predictions that are sure of these classes."""
    probabilities = np.eye(len(STARS), dtype=np.float32)[classes]
    return Predictions(probabilities, STARS)


def one_row(*probabilities: float) -> Predictions:
    return Predictions(np.array([probabilities], dtype=np.float32), STARS)


@pytest.fixture(scope="module")
def by_hand() -> Figures:
    """Figures of four rows, which are 0, 1, 2 and 4 classes away."""
    predicted = certain([0, 1, 2, 4])
    true_class = np.array([0, 2, 4, 0])
    return evaluate(predicted, true_class)


def test_distances_are_shares_of_the_rows(by_hand: Figures) -> None:
    assert by_hand.n_rows == 4
    assert by_hand.accuracy == 0.25
    assert by_hand.distance == {
        "0": 0.25,
        "1": 0.25,
        "2": 0.25,
        "more": 0.25,
    }


def test_errors_are_in_stars(by_hand: Figures) -> None:
    mean_square = (0 + 1 + 4 + 16) / 4
    assert by_hand.mae == pytest.approx((0 + 1 + 2 + 4) / 4)
    assert by_hand.rmse == pytest.approx(mean_square**0.5)


def test_confusion_has_a_row_for_each_true_class(by_hand: Figures) -> None:
    confusion = by_hand.confusion_matrix
    assert confusion[0] == [1, 0, 0, 0, 1]
    assert sum(map(sum, confusion)) == 4


def test_log_loss_by_hand() -> None:
    predictions = one_row(0.5, 0.25, 0.25, 0, 0)
    figures = evaluate(predictions, np.array([1]))
    assert figures.log_loss == pytest.approx(-np.log(0.25))


def test_log_loss_of_an_impossible_class_is_finite() -> None:
    predictions = one_row(0.5, 0.25, 0.25, 0, 0)
    figures = evaluate(predictions, np.array([4]))
    assert np.isfinite(figures.log_loss)


def test_errors_in_stars_are_of_the_mean_not_of_the_class() -> None:
    predictions = one_row(0.4, 0, 0, 0.3, 0.3)
    figures = evaluate(predictions, np.array([0]))
    # The mean is 0.4 * 1 + 0.3 * 4 + 0.3 * 5.
    mean = 3.1
    assert figures.accuracy == 1
    assert figures.mae == pytest.approx(mean - 1)


def test_reliability_by_hand() -> None:
    rows = [[0.95, 0.05], [0.25, 0.75], [0.05, 0.95]]
    probabilities = np.array(rows, dtype=np.float32)
    bins = reliability_bins(probabilities, np.array([0, 0, 0]))
    assert bins == [
        [pytest.approx(0.75), 0.0, 1],
        [pytest.approx(0.95), 0.5, 2],
    ]


CLASS = st.integers(0, len(STARS) - 1)


@given(st.lists(st.tuples(CLASS, CLASS), min_size=1, max_size=50))
def test_figures_agree_with_each_other(rows: list[tuple[int, int]]) -> None:
    predicted = [first for first, _ in rows]
    true = [second for _, second in rows]
    figures = evaluate(certain(predicted), np.array(true))

    n_exact = sum(first == second for first, second in rows)
    accuracy = n_exact / len(rows)
    assert figures.accuracy == accuracy
    assert figures.distance["0"] == accuracy
    assert sum(figures.distance.values()) == pytest.approx(1)
    assert -1 <= figures.quadratic_weighted_kappa <= 1
    n_true = np.bincount(true, minlength=len(STARS))
    confusion = np.array(figures.confusion_matrix)
    assert confusion.sum(axis=1).tolist() == n_true.tolist()


# Fleiss and Cohen (1973) show that quadratic weights give the intraclass correlation:
# 1 for perfect raters, -1 for opposite ones, 0 for a constant one.
@pytest.mark.parametrize(
    ("confusion", "kappa"),
    [
        ([[3, 0, 0], [0, 2, 0], [0, 0, 4]], 1),
        ([[0, 0, 2], [0, 0, 0], [2, 0, 0]], -1),
        ([[2, 0], [2, 0]], 0),
        ([[4, 0], [0, 0]], 0),
        ([[20, 5], [10, 15]], 0.4),
    ],
)
def test_kappa_against_published_values(
    confusion: list[list[int]], kappa: float
) -> None:
    assert quadratic_weighted_kappa(np.array(confusion)) == pytest.approx(kappa)
