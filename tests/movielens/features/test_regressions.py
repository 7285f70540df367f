from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.features.kernels import extension
from movielens.features.regressions import Moments, Regressions
from movielens.features.training_rows import TrainingRows

N_TERMS = 5
TRIANGLE = np.tril_indices(N_TERMS)


@pytest.fixture(scope="module")
def terms(training: TrainingRows) -> NDArray[np.float64]:
    """Of each movie; some are 0."""
    rng = np.random.default_rng(3)
    values: NDArray[np.float64] = rng.normal(size=(training.n_movies + 1, N_TERMS))
    values[rng.random(values.shape) < 0.4] = 0
    return values


@pytest.fixture(scope="module")
def regressions(
    training: TrainingRows, terms: NDArray[np.float64]
) -> tuple[Regressions, NDArray[np.int64]]:
    """Of more users than there are lanes, and where their rows begin."""
    counts = training.per_user().astype(np.int64)
    start = np.concatenate([[0], np.cumsum(counts)])
    users = np.arange(2, 15)
    return Regressions.of(training, terms, start, users), start


def test_weights_and_fits_are_those_of_the_formulas(
    training: TrainingRows,
    terms: NDArray[np.float64],
    regressions: tuple[Regressions, NDArray[np.int64]],
) -> None:
    regression, start = regressions
    variance = np.array([0.3, 0.1, 0.2, 0.5, 0.4, 0.8])
    noise = variance[-1]
    moments = regression.moments()
    found = moments.solved(variance)
    expected, spread = regression.fits(found)

    for place, user in enumerate(range(2, 15)):
        rows = slice(start[user], start[user + 1])
        design = terms[training.movie_index[rows]]
        residual = training.residual[rows]
        square = design.T @ design
        covariance = np.linalg.inv(square / noise + np.diag(1 / variance[:-1]))
        weight = covariance @ design.T @ residual / noise
        second = covariance + np.outer(weight, weight)
        away = (second * square).sum() - 2 * weight @ (design.T @ residual)

        np.testing.assert_allclose(moments.square[place], square[TRIANGLE])
        np.testing.assert_allclose(found.covariance[place], covariance[TRIANGLE])
        np.testing.assert_allclose(found.weight[place], weight)
        np.testing.assert_allclose(found.away[place], away)

        own = slice(start[user] - start[2], start[user + 1] - start[2])
        leverage = ((design @ covariance) * design).sum(axis=1)
        np.testing.assert_allclose(expected[own], design @ weight, atol=1e-12)
        np.testing.assert_allclose(spread[own], leverage, atol=1e-12)


def test_a_user_has_the_same_weights_alone_as_among_others(
    regressions: tuple[Regressions, NDArray[np.int64]],
) -> None:
    regression, _ = regressions
    variance = np.ones(N_TERMS + 1)
    moments = regression.moments()
    together = moments.solved(variance)
    for place in range(len(moments.product)):
        one = slice(place, place + 1)
        alone = Moments(moments.square[one], moments.product[one]).solved(variance)
        np.testing.assert_array_equal(alone.weight, together.weight[one])
        np.testing.assert_array_equal(alone.covariance, together.covariance[one])
        np.testing.assert_array_equal(alone.away, together.away[one])


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": np.array([-1])},
        {"first": np.array([2]), "end": np.array([1])},
        {"end": np.array([3])},
        {"movie": np.array([4, 1])},
    ],
)
def test_rows_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "first": np.array([0]),
        "end": np.array([1]),
        "movie": np.array([0, 1]),
        "residual": np.ones(2),
        "terms": np.ones((4, 2)),
    }
    moments = {"square": np.zeros((1, 3)), "product": np.zeros((1, 2))}
    extension().sum_moments(given, moments)
    with pytest.raises(ValueError, match="a start or an index is out of bounds"):
        extension().sum_moments(given | wrong, moments)


def test_sums_that_are_no_triangles_are_refused() -> None:
    moments = {"square": np.zeros((1, 4)), "product": np.zeros((1, 2))}
    found = {
        "weight": np.zeros((1, 2)),
        "covariance": np.zeros((1, 4)),
        "away": np.zeros(1),
    }
    with pytest.raises(ValueError, match="2 terms and triangles of 4 elements"):
        extension().find_weights(moments, {"variance": np.ones(3)}, found)
