"""Which class is chosen of a distribution, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.predictions import DECISIONS, Decision, Predictions
from movielens.ratings import HALF_STARS, WHOLE_STARS


@pytest.mark.parametrize(
    ("probabilities", "mode", "median", "mean"),
    [
        ([0, 0, 1, 0, 0], 3, 3, 3),
        (
            [0.375, 0, 0, 0.3125, 0.3125],
            1,
            4,
            3,
        ),  # three answers to one distribution; the mean is 3.1875
        (
            [0.5, 0, 0, 0, 0.5],
            1,
            1,
            3,
        ),  # the lower of two that are equally likely, and of two medians
        ([0, 0.5, 0.5, 0, 0], 2, 2, 2),  # the mean, 2.5, lies between two classes
        ([0, 0.25, 0.25, 0.5, 0], 4, 3, 3),  # half of it lies up to 3; the mean is 3.25
        ([0, 0, 0.25, 0.25, 0.5], 5, 4, 4),
        ([0.2, 0.2, 0.2, 0.2, 0.2], 1, 3, 3),
        ([0, 0, 0, 0.5, 0.5], 4, 4, 4),  # 4.5
        ([0, 0, 0, 0, 1], 5, 5, 5),
        ([1, 0, 0, 0, 0], 1, 1, 1),
    ],
)
@pytest.mark.parametrize("n_rows", [1, 50])
def test_classes_by_hand(
    probabilities: list[float], mode: float, median: float, mean: float, n_rows: int
) -> None:
    rows = np.array([probabilities] * n_rows, dtype=np.float32)
    for decision, stars in zip(DECISIONS, (mode, median, mean), strict=True):
        scores = Predictions(rows, WHOLE_STARS, decision)
        assert np.array(WHOLE_STARS)[scores.class_index].tolist() == [stars] * n_rows, (
            decision
        )
        assert scores.expected_rating == pytest.approx(
            [np.dot(probabilities, WHOLE_STARS)] * n_rows
        )


def test_the_likeliest_class_is_the_default() -> None:
    rows = np.array([[0.375, 0, 0, 0.3125, 0.3125]], dtype=np.float32)
    assert Predictions(rows, WHOLE_STARS).class_index.tolist() == [0]


@pytest.mark.parametrize("n_rows", [1, 50])
@pytest.mark.parametrize(
    ("estimate", "expected", "stars"),
    [(2.0, 2.5, 2), (4.2, 3.6, 4), (0.2, 2.0, 2), (7.0, 4.0, 4), (-3.0, 2.0, 2)],
)
def test_the_expected_rating_is_halfway_to_an_estimate(
    estimate: float, expected: float, stars: float, n_rows: int
) -> None:
    rows = np.array([[0, 0.25, 0.5, 0.25, 0]] * n_rows, dtype=np.float32)
    estimates = np.full(n_rows, estimate, dtype=np.float32)
    scores = Predictions(rows, WHOLE_STARS, "mean", estimates)
    assert scores.expected_rating == pytest.approx([expected] * n_rows)
    assert np.array(WHOLE_STARS)[scores.class_index].tolist() == [stars] * n_rows
    assert (
        Predictions(rows, WHOLE_STARS, "mode", estimates).class_index.tolist()
        == [2] * n_rows
    )


@given(
    st.lists(
        st.lists(st.integers(0, 9), min_size=10, max_size=10).filter(any),
        min_size=7,
        max_size=20,
    ),
    st.sampled_from(DECISIONS),
)
def test_a_class_is_the_same_alone_and_no_class_is_better(
    counts: list[list[int]], decision: Decision
) -> None:
    weights = np.array(counts, dtype=np.float32)
    rows = weights / weights.sum(axis=1, keepdims=True)
    together, values = Predictions(rows, HALF_STARS, decision), np.array(HALF_STARS)
    for place, row in enumerate(rows):
        chosen = int(together.class_index[place])
        assert Predictions(row[None, :], HALF_STARS, decision).class_index.tolist() == [
            chosen
        ]
        losses = {
            "mode": -row,
            "median": np.abs(values[:, None] - values) @ row.astype(np.float64),
            "mean": np.abs(values - together.expected_rating[place]),
        }[decision]
        assert losses[chosen] <= losses.min() + 1e-6
