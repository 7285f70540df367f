"""Classes and expected ratings, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from movielens.predictions import DECISIONS, Decision, Predictions
from movielens.ratings import HALF_STARS, WHOLE_STARS

# A few rows are summed in another way than many.
FEW_AND_MANY = pytest.mark.parametrize("n_rows", [1, 50])


def repeated(probabilities: list[float], n_rows: int) -> NDArray[np.float32]:
    return np.array([probabilities] * n_rows, dtype=np.float32)


@pytest.mark.parametrize(
    ("probabilities", "mode", "median", "mean"),
    [
        ([0, 0, 1, 0, 0], 3, 3, 3),
        # Three answers to one distribution, whose mean is 3.1875.
        ([0.375, 0, 0, 0.3125, 0.3125], 1, 4, 3),
        # Of two classes that are equally likely, and of two medians, the lower one.
        ([0.5, 0, 0, 0, 0.5], 1, 1, 3),
        # The mean is 2.5, between two classes.
        ([0, 0.5, 0.5, 0, 0], 2, 2, 2),
        # Half of the probability lies up to class 3; the mean is 3.25.
        ([0, 0.25, 0.25, 0.5, 0], 4, 3, 3),
        ([0, 0, 0.25, 0.25, 0.5], 5, 4, 4),
        ([0.2, 0.2, 0.2, 0.2, 0.2], 1, 3, 3),
        # The mean is 4.5.
        ([0, 0, 0, 0.5, 0.5], 4, 4, 4),
        ([0, 0, 0, 0, 1], 5, 5, 5),
        ([1, 0, 0, 0, 0], 1, 1, 1),
    ],
)
@FEW_AND_MANY
def test_classes_by_hand(
    probabilities: list[float], mode: float, median: float, mean: float, n_rows: int
) -> None:
    rows = repeated(probabilities, n_rows)
    expected: dict[Decision, float] = {"mode": mode, "median": median, "mean": mean}
    for decision, stars in expected.items():
        predictions = Predictions(rows, WHOLE_STARS, decision)
        assert predictions.rating.tolist() == [stars] * n_rows, decision

    mean_stars = np.dot(probabilities, WHOLE_STARS)
    predictions = Predictions(rows, WHOLE_STARS)
    assert predictions.expected_rating == pytest.approx([mean_stars] * n_rows)


def test_the_most_likely_class_is_the_default() -> None:
    rows = repeated([0.375, 0, 0, 0.3125, 0.3125], n_rows=1)
    assert Predictions(rows, WHOLE_STARS).class_index.tolist() == [0]


@pytest.mark.parametrize(
    ("estimate", "expected", "nearest_class"),
    [(2.0, 2.5, 2), (4.2, 3.6, 4), (0.2, 2.0, 2), (7.0, 4.0, 4), (-3.0, 2.0, 2)],
)
@FEW_AND_MANY
def test_the_expected_rating_is_halfway_to_an_estimate(
    estimate: float, expected: float, nearest_class: float, n_rows: int
) -> None:
    rows = repeated([0, 0.25, 0.5, 0.25, 0], n_rows)
    estimates = np.full(n_rows, estimate, dtype=np.float32)

    by_mean = Predictions(rows, WHOLE_STARS, "mean", estimates)
    assert by_mean.expected_rating == pytest.approx([expected] * n_rows)
    assert by_mean.rating.tolist() == [nearest_class] * n_rows

    by_mode = Predictions(rows, WHOLE_STARS, "mode", estimates)
    assert by_mode.rating.tolist() == [3] * n_rows


WEIGHTS = st.lists(st.integers(0, 9), min_size=10, max_size=10).filter(any)


@given(st.lists(WEIGHTS, min_size=7, max_size=20), st.sampled_from(DECISIONS))
def test_a_row_alone_has_the_same_class_and_no_other_class_is_better(
    weights: list[list[int]], decision: Decision
) -> None:
    counts = np.array(weights, dtype=np.float32)
    rows = counts / counts.sum(axis=1, keepdims=True)
    together = Predictions(rows, HALF_STARS, decision)
    values = np.array(HALF_STARS)

    for position, row in enumerate(rows):
        alone = Predictions(row[None, :], HALF_STARS, decision)
        assert alone.class_index[0] == together.class_index[position]
        assert alone.expected_rating[0] == together.expected_rating[position]

        distances = np.abs(values[:, None] - values)
        losses: dict[Decision, NDArray[np.floating]] = {
            "mode": -row,
            "median": distances @ row.astype(np.float64),
            "mean": np.abs(values - together.expected_rating[position]),
        }
        loss = losses[decision]
        assert loss[together.class_index[position]] <= loss.min() + 1e-6


@pytest.mark.parametrize("has_estimate", [True, False])
def test_parts_become_one_and_rows_can_be_taken(has_estimate: bool) -> None:
    rows = np.eye(5, dtype=np.float32)
    estimate = np.arange(5, dtype=np.float32) if has_estimate else None
    whole = Predictions(rows, WHOLE_STARS, "mean", estimate)

    first = whole.take(np.array([0, 1]))
    rest = whole.take(np.array([2, 3, 4]))
    again = Predictions.concatenate([first, rest])
    assert again.n_rows == 5
    assert again.decision == "mean"
    np.testing.assert_array_equal(again.probabilities, rows)
    np.testing.assert_array_equal(again.expected_rating, whole.expected_rating)
