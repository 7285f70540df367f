"""A model's answers: distributions over the rating classes, and what follows from them.

Class and expected rating are derived here and nowhere else. Neither depends on how many
rows are predicted at once. For this, the mean of a distribution is summed class by
class: a matrix product may round a single row differently from the same row among many.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, mul
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Decision = Literal["mode", "median", "mean"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)

# For so few rows, Python's floats are faster than NumPy's columns. Both add the same
# numbers in the same order.
_FEW_ROWS = 6


class Predictions(NamedTuple):
    """Distributions over the rating classes, one for each row.

    Attributes:
        probabilities: float32 (n_rows, n_classes), each row sums to 1.
        class_values: stars of each class, rising.
        decision: how the class of a row is chosen. ``mode`` is the most likely class,
            which is right most often. ``median`` is the first class at which the
            cumulative probability reaches one half; it is nearest on average. ``mean``
            is the class nearest to the expected rating.
        estimate: float32 (n_rows,), a regression's stars; None without a regression.

    Example:
        >>> rows = np.array([[0.0, 0.25, 0.0, 0.25, 0.5]], dtype=np.float32)
        >>> predicted = Predictions(rows, (1.0, 2.0, 3.0, 4.0, 5.0))
        >>> predicted.rating.tolist(), predicted.expected_rating.tolist()
        ([5.0], [4.0])
    """

    probabilities: NDArray[np.float32]
    class_values: tuple[float, ...]
    decision: Decision = "mode"
    estimate: NDArray[np.float32] | None = None

    @property
    def n_rows(self) -> int:
        """How many rows were predicted."""
        return len(self.probabilities)

    @property
    def class_index(self) -> NDArray[np.int64]:
        """The class of each row, int64 (n_rows,); of equal classes the lowest."""
        match self.decision:
            case "mode":
                most_likely: NDArray[np.int64] = self.probabilities.argmax(axis=1)
                return most_likely
            case "median":
                return _median_class(self.probabilities)
            case "mean":
                return _nearest_class(self.class_values, self.expected_rating)

    @property
    def rating(self) -> NDArray[np.float64]:
        """Stars of each row's class, float64 (n_rows,)."""
        return np.array(self.class_values)[self.class_index]

    @property
    def expected_rating(self) -> NDArray[np.float64]:
        """The mean of each row's distribution in stars, float64 (n_rows,).

        With a regression, it is halfway between that mean and the estimate. An estimate
        outside the scale counts as the nearest end of the scale.
        """
        means = _means(self.probabilities, self.class_values)
        if self.estimate is None:
            return means
        lowest, highest = self.class_values[0], self.class_values[-1]
        on_scale = np.minimum(np.maximum(self.estimate, lowest), highest)
        halfway: NDArray[np.float64] = (means + on_scale) / 2
        return halfway

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """The given rows (int64 positions), in that order."""
        estimate = None if self.estimate is None else self.estimate[rows]
        return self._replace(probabilities=self.probabilities[rows], estimate=estimate)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """The rows of all parts, one part after the other.

        Args:
            parts: at least one, all of the same model.
        """
        estimates = [part.estimate for part in parts if part.estimate is not None]
        return parts[0]._replace(
            probabilities=np.concatenate([part.probabilities for part in parts]),
            estimate=np.concatenate(estimates) if estimates else None,
        )


def _means(
    probabilities: NDArray[np.float32], class_values: tuple[float, ...]
) -> NDArray[np.float64]:
    """The mean of each distribution, float64 (n_rows,)."""
    if len(probabilities) <= _FEW_ROWS:
        rows = probabilities.tolist()
        means = [_mean_of_row(row, class_values) for row in rows]
        return np.array(means, dtype=np.float64)

    total = np.zeros(len(probabilities))
    for value, column in zip(class_values, probabilities.T, strict=True):
        total += value * column.astype(np.float64)
    return total


def _mean_of_row(row: list[float], class_values: tuple[float, ...]) -> float:
    # Not `sum`, which rounds differently since Python 3.12.
    return reduce(add, map(mul, class_values, row), 0.0)


def _median_class(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    cumulative = np.cumsum(probabilities, axis=1, dtype=np.float64)
    # float32 probabilities rarely add up to exactly 1, so each row has its own half.
    half = cumulative[:, -1:] / 2
    is_below_half = cumulative < half
    classes: NDArray[np.int64] = np.count_nonzero(is_below_half, axis=1)
    return classes


def _nearest_class(
    class_values: tuple[float, ...], means: NDArray[np.float64]
) -> NDArray[np.int64]:
    values = np.array(class_values)
    halfway_between = (values[1:] + values[:-1]) / 2
    return np.searchsorted(halfway_between, means)
