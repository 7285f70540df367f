"""Axes: what they are, the derivatives along them, and steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.ratings import HALF_STARS, WHOLE_STARS, RatingScale
from train.axes import BLOCK_ROWS, Axes

Floats = NDArray[np.float32]

SCALES = (RatingScale(WHOLE_STARS), RatingScale(HALF_STARS))
WHOLE, HALF = (Axes.of(scale) for scale in SCALES)
N_ROWS = 2 * BLOCK_ROWS + 5


def some_margins(n_classes: int) -> tuple[Floats, NDArray[np.int64]]:
    """Margins of rows, some of them far apart, and the true classes."""
    rng = np.random.default_rng(4)
    margins = rng.normal(size=(N_ROWS, n_classes)).astype(np.float32)
    margins[::3] *= 30
    return margins, rng.integers(n_classes, size=N_ROWS)


def log_losses(margins: NDArray[np.float64], true_class: NDArray[np.int64]) -> Floats:
    own = margins[np.arange(len(margins)), true_class]
    highest = margins.max(axis=1)
    total = np.exp(margins - highest[:, np.newaxis]).sum(axis=1)
    losses: Floats = np.log(total) + highest - own
    return losses


@pytest.mark.parametrize("axes", [WHOLE, HALF])
def test_axes_are_orthogonal_and_move_no_sum_of_margins(axes: Axes) -> None:
    np.testing.assert_allclose(
        axes.shares @ axes.shares.T, np.eye(len(axes)), atol=1e-6
    )
    np.testing.assert_allclose(axes.shares.sum(axis=1), 0, atol=1e-6)


@pytest.mark.parametrize("axes", [WHOLE, HALF])
def test_a_step_of_the_location_favours_more_stars(axes: Axes) -> None:
    assert (np.diff(axes.shares[0]) > 0).all()


@pytest.mark.parametrize("axes", [WHOLE, HALF])
def test_a_step_of_the_spread_favours_both_ends(axes: Axes) -> None:
    spread = axes.shares[1]
    middle = len(spread) // 2
    np.testing.assert_allclose(spread, spread[::-1], atol=1e-6)
    assert (np.diff(spread[middle:]) > 0).all()


def test_a_step_of_the_halves_favours_each_half_star_over_its_neighbours() -> None:
    [halves] = HALF.shares[2:]
    steps = np.sign(np.diff(halves)).tolist()
    assert steps == [-1, 1] * 4 + [-1]


@pytest.mark.parametrize("axes", [WHOLE, HALF])
def test_derivatives_are_those_of_the_log_loss(axes: Axes) -> None:
    margins, true_class = some_margins(axes.shares.shape[1])
    found = axes.derivatives(margins, true_class)

    exact = margins.astype(np.float64)
    size = 1e-4
    for axis, shares in enumerate(axes.shares.astype(np.float64)):
        before, at, after = (
            log_losses(exact + step * shares, true_class) for step in (-size, 0, size)
        )
        gradient = (after - before) / (2 * size)
        hessian = (after - 2 * at + before) / size**2
        np.testing.assert_allclose(found.gradient[:, axis], gradient, atol=1e-5)
        np.testing.assert_allclose(found.hessian[:, axis], hessian, atol=1e-4)


def test_the_derivatives_of_a_row_are_the_same_bits_beside_any_rows() -> None:
    margins, true_class = some_margins(len(HALF_STARS))
    together = HALF.derivatives(margins, true_class)
    some = np.arange(3, N_ROWS, 7)
    apart = HALF.derivatives(margins[some], true_class[some])
    np.testing.assert_array_equal(apart.gradient, together.gradient[some])
    np.testing.assert_array_equal(apart.hessian, together.hessian[some])


def test_no_rows_have_no_derivatives() -> None:
    nothing = np.empty((0, len(HALF_STARS)), dtype=np.float32)
    found = HALF.derivatives(nothing, np.empty(0, dtype=np.int64))
    assert found.gradient.shape == found.hessian.shape == (0, 3)


def test_each_class_moves_by_its_share_of_a_step() -> None:
    margins, _ = some_margins(len(WHOLE_STARS))
    before = margins.copy()
    steps = np.zeros((N_ROWS, 2), dtype=np.float32)
    steps[-1] = [2, -3]
    moved = WHOLE.moved(margins, steps)
    np.testing.assert_array_equal(moved[:-1], before[:-1])
    expected = before[-1] + 2 * WHOLE.shares[0] - 3 * WHOLE.shares[1]
    np.testing.assert_allclose(moved[-1], expected, atol=1e-5)
    np.testing.assert_array_equal(margins, before)
