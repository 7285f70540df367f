"""Axes: ways in which the margins of all classes move together.

Most of what the features tell of a rating is where on the scale it lies. With one tree
a class, each class has to learn that anew. So the first rounds of a chain grow one tree
an axis instead, and each class takes its share of that tree:

| axis | what a tree along it tells apart |
|---|---|
| location | many stars and few |
| spread | the ends of the scale and its middle |
| halves | half stars and whole ones, if the scale has both |

What is left for the rounds with a tree for each class is what the axes can't say. It
takes fewer of them, and the model generalises better. In statistics, a multinomial
regression with few such axes is called stereotyped (Anderson 1984) or of reduced rank
(Yee and Hastie 2003).

In a finished model, a tree of an axis stands once for each class, with that class's
share of its leaves (`train.model_surgery`). So the model is an ordinary booster.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from movielens.machine import cpus
from movielens.ratings import RatingScale

Floats = NDArray[np.float32]

# As in XGBoost's own objectives.
LEAST_VARIANCE = np.float32(1e-16)
# Rows whose derivatives are computed together.
BLOCK_ROWS = 8_192


class Derivatives(NamedTuple):
    """Of the log-loss of each row, along each axis.

    Attributes:
        gradient: float32 (n_rows, n_axes).
        hessian: float32 (n_rows, n_axes), the second derivatives.
    """

    gradient: Floats
    hessian: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """The axes of a rating scale.

    Attributes:
        shares: float32 (n_axes, n_classes), how far each class's margin moves with a
            step along each axis. The rows have the length 1 and are orthogonal.
    """

    shares: Floats

    @classmethod
    def of(cls, scale: RatingScale) -> Self:
        """The axes of these classes.

        Example:
            >>> from movielens.ratings import HALF_STARS, WHOLE_STARS
            >>> Axes.of(RatingScale(WHOLE_STARS)).shares.shape
            (2, 5)
            >>> Axes.of(RatingScale(HALF_STARS)).shares.shape
            (3, 10)
        """
        stars = np.asarray(scale.class_values)
        is_half = stars % 1 != 0
        directions = [stars, stars**2]
        if is_half.any():
            directions.append(np.where(is_half, 1.0, -1.0))

        # No probability changes if all margins move alike.
        found = [_unit(np.ones_like(stars))]
        for direction in directions:
            rest = direction
            for other in found:
                rest = rest - (rest * other).sum() * other
            found.append(_unit(rest))
        return cls(np.array(found[1:], dtype=np.float32))

    def __len__(self) -> int:
        """How many axes there are."""
        return len(self.shares)

    def derivatives(
        self, margins: Floats, class_index: NDArray[np.int64]
    ) -> Derivatives:
        """The derivatives of the log-loss.

        With softmax's probabilities p and shares v of an axis, the gradient is E(v) - v
        of the true class, and the second derivative is Var(v), both under p.

        Args:
            margins: float32 (n_rows, n_classes).
            class_index: int64 (n_rows,), the true classes.
        """
        shape = len(margins), len(self)
        found = Derivatives(
            gradient=np.empty(shape, dtype=np.float32),
            hessian=np.empty(shape, dtype=np.float32),
        )

        def fill(rows: slice) -> None:
            probabilities = _softmax_by_class(margins[rows])
            own = class_index[rows]
            for axis, shares in enumerate(self.shares):
                mean = _expected(probabilities, shares)
                mean_square = _expected(probabilities, shares**2)
                found.gradient[rows, axis] = mean - shares[own]
                variance = mean_square - mean**2
                found.hessian[rows, axis] = np.maximum(variance, LEAST_VARIANCE)

        _for_each_block(fill, len(margins))
        return found

    def moved(self, margins: Floats, steps: Floats) -> Floats:
        """Margins after steps along the axes.

        They are the sums, in the same order, that XGBoost makes of the trees in a
        finished model.

        Args:
            margins: float32 (n_rows, n_classes).
            steps: float32 (n_rows, n_axes).
        """
        moved = margins.copy()

        def move(rows: slice) -> None:
            for axis, shares in enumerate(self.shares):
                moved[rows] += steps[rows, axis, np.newaxis] * shares

        _for_each_block(move, len(margins))
        return moved


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.sqrt((vector**2).sum())
    scaled: NDArray[np.float64] = vector / length
    return scaled


def _softmax_by_class(margins: Floats) -> Floats:
    """Probabilities, float32 (n_classes, n_rows).

    One operation on many rows at a time gives each row the same bits, whichever rows
    stand beside it.
    """
    by_class = margins.T.copy()
    by_class -= by_class.max(axis=0)
    np.exp(by_class, out=by_class)
    by_class /= by_class.sum(axis=0)
    return by_class


def _for_each_block(function: Callable[[slice], None], n_rows: int) -> None:
    blocks = [
        slice(first, first + BLOCK_ROWS) for first in range(0, n_rows, BLOCK_ROWS)
    ]
    # NumPy lets go of Python's lock meanwhile.
    with ThreadPoolExecutor(cpus()) as threads:
        list(threads.map(function, blocks))


def _expected(probabilities: Floats, values: Floats) -> Floats:
    """The means of a class's values, float32 (n_rows,)."""
    mean = np.zeros(probabilities.shape[1], dtype=np.float32)
    for probability, value in zip(probabilities, values, strict=True):
        mean += probability * value
    return mean
