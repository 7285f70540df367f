from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.predictions import Predictions
from movielens.ratings import RatingScale
from movielens.tables import RatingTable
from train.baselines import evaluate_baselines
from train.evaluation import evaluate, quadratic_weighted_kappa

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)


def certain(classes: list[int], n_classes: int = 5) -> Predictions:
    return Predictions(np.eye(n_classes, dtype=np.float32)[classes], STARS)


def test_figures_by_hand() -> None:
    figures = evaluate(certain([0, 1, 2, 4]), np.array([0, 2, 4, 0]))
    assert figures.n_rows == 4
    assert figures.distance == {"0": 0.25, "1": 0.25, "2": 0.25, "more": 0.25}
    assert figures.accuracy == 0.25
    assert figures.rmse == pytest.approx(np.sqrt((0 + 1 + 4 + 16) / 4))
    assert figures.mae == pytest.approx((0 + 1 + 2 + 4) / 4)
    assert figures.confusion_matrix[0] == [1, 0, 0, 0, 1]
    assert sum(map(sum, figures.confusion_matrix)) == 4


def test_log_loss_by_hand_and_finite() -> None:
    scores = Predictions(np.array([[0.5, 0.25, 0.25, 0, 0]], dtype=np.float32), STARS)
    assert evaluate(scores, np.array([1])).log_loss == pytest.approx(-np.log(0.25))
    assert np.isfinite(evaluate(scores, np.array([4])).log_loss)


def test_expected_rating_is_the_mean_not_the_class() -> None:
    scores = Predictions(np.array([[0.4, 0, 0, 0.3, 0.3]], dtype=np.float32), STARS)
    figures = evaluate(scores, np.array([0]))
    assert figures.accuracy == 1
    assert figures.mae == pytest.approx(0.4 + 1.2 + 1.5 - 1)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50)
)
def test_invariants(rows: list[tuple[int, int]]) -> None:
    predicted, truth = (list(column) for column in zip(*rows, strict=True))
    figures = evaluate(certain(predicted), np.array(truth))
    assert sum(figures.distance.values()) == pytest.approx(1)
    assert (
        figures.accuracy
        == figures.distance["0"]
        == sum(p == t for p, t in rows) / len(rows)
    )
    assert -1 <= figures.quadratic_weighted_kappa <= 1
    assert (
        np.array(figures.confusion_matrix).sum(axis=1).tolist()
        == np.bincount(truth, minlength=5).tolist()
    )


def test_kappa_against_published_values() -> None:
    # Fleiss and Cohen 1973 show that it's the intraclass correlation: equal for
    # perfect, opposite and constant raters.
    assert quadratic_weighted_kappa(np.diag([3, 2, 4])) == 1
    assert quadratic_weighted_kappa(np.array([[0, 0, 2], [0, 0, 0], [2, 0, 0]])) == -1
    assert quadratic_weighted_kappa(np.array([[2, 0], [2, 0]])) == 0
    assert quadratic_weighted_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def table(user: list[int], movie: list[int], rating: list[float]) -> RatingTable:
    return RatingTable.of(
        np.array(user, np.int32),
        np.array(movie, np.int32),
        np.array(rating, np.float32),
        None,
    )


def test_baselines_by_hand() -> None:
    train = table([1, 1, 2, 2], [7, 8, 7, 9], [5, 5, 1, 5])
    test = table([1, 2, 3], [7, 7, 10], [5, 3, 5])
    figures = evaluate_baselines(
        train, test, RatingScale.of(np.array([1, 5], np.float32))
    )
    assert list(figures) == ["most_frequent_class", "user_mean", "movie_mean"]
    assert figures["most_frequent_class"].accuracy == pytest.approx(2 / 3)
    assert figures["most_frequent_class"].mae == pytest.approx((1 + 1 + 1) / 3)
    # User 1: (2 * 5 + 5 * 4) / 7; user 2: (6 + 5 * 4) / 7; user 3 is unknown, so the
    # mean of all, 4.
    assert figures["user_mean"].mae == pytest.approx(
        ((5 - 30 / 7) + (26 / 7 - 3) + (5 - 4)) / 3, abs=1e-6
    )
    # Movie 7: (6 + 5 * 4) / 7 twice; movie 10 is unknown.
    assert figures["movie_mean"].mae == pytest.approx(
        ((5 - 26 / 7) + (26 / 7 - 3) + (5 - 4)) / 3, abs=1e-6
    )
    assert all(sum(f.distance.values()) == pytest.approx(1) for f in figures.values())
