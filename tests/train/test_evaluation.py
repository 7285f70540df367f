"""Figures worked out by hand, and what holds of any figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.predictions import Predictions
from train.evaluation import evaluate, quadratic_weighted_kappa, reliability_bins

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)


def certain(classes: list[int]) -> Predictions:
    """Predictions that are sure of these classes."""
    probabilities = np.eye(len(STARS), dtype=np.float32)[classes]
    return Predictions(probabilities, STARS)


def one_row(*probabilities: float) -> Predictions:
    return Predictions(np.array([probabilities], dtype=np.float32), STARS)


def test_figures_by_hand() -> None:
    figures = evaluate(certain([0, 1, 2, 4]), np.array([0, 2, 4, 0]))
    errors = np.array([0, 1, 2, 4])
    assert figures.n_rows == 4
    assert figures.distance == {"0": 0.25, "1": 0.25, "2": 0.25, "more": 0.25}
    assert figures.accuracy == 0.25
    assert figures.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert figures.mae == pytest.approx(np.mean(errors))


def test_confusion_has_a_row_for_each_true_class() -> None:
    figures = evaluate(certain([0, 1, 2, 4]), np.array([0, 2, 4, 0]))
    assert figures.confusion_matrix[0] == [1, 0, 0, 0, 1]
    assert sum(map(sum, figures.confusion_matrix)) == 4


def test_log_loss_by_hand() -> None:
    predictions = one_row(0.5, 0.25, 0.25, 0, 0)
    figures = evaluate(predictions, np.array([1]))
    assert figures.log_loss == pytest.approx(-np.log(0.25))


def test_log_loss_of_an_impossible_class_is_finite() -> None:
    predictions = one_row(0.5, 0.25, 0.25, 0, 0)
    figures = evaluate(predictions, np.array([4]))
    assert np.isfinite(figures.log_loss)


def test_errors_in_stars_are_of_the_mean_not_of_the_class() -> None:
    figures = evaluate(one_row(0.4, 0, 0, 0.3, 0.3), np.array([0]))
    mean = 0.4 * 1 + 0.3 * 4 + 0.3 * 5
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
    assert figures.accuracy == figures.distance["0"] == n_exact / len(rows)
    assert sum(figures.distance.values()) == pytest.approx(1)
    assert -1 <= figures.quadratic_weighted_kappa <= 1
    counts = np.bincount(true, minlength=len(STARS))
    assert [sum(row) for row in figures.confusion_matrix] == counts.tolist()


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
