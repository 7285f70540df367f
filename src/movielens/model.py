"""From raw ids to a distribution over rating classes: the fitted features and the booster, as one thing.

Training evaluates through this class and serving answers through it, so what was evaluated is what is served. Nothing
here depends on how many rows are asked at once: the mean of the distribution is summed class by class, since a matrix
product may round a single row otherwise than the same row among many.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add, mul
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.queries import RatingQueries
from movielens.tables import MovieTable

Decision = Literal["mode", "median", "mean"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
# Up to here Python's floats are quicker than numpy's columns; both add up the same numbers in the same order.
_FEW_ROWS = 6


class Booster(Protocol):
    """What a model needs of its trees: `xgboost.Booster` has it, and so does whatever else gives the same bits."""

    def inplace_predict(self, data: Any, *, validate_features: bool) -> Any:
        """Probabilities, float32 (n_rows, n_classes), of float32 (n_rows, n_features)."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the model says of some rows.

    Attributes:
        probabilities: float32 (n_rows, n_classes), a row sums to 1.
        class_index: int64 (n_rows,), the class that was decided on, 0 to n_classes - 1.
        expected_rating: float64 (n_rows,), mean of the distribution, in stars.
    """

    probabilities: NDArray[np.float32]
    class_index: NDArray[np.int64]
    expected_rating: NDArray[np.float64]

    @classmethod
    def of(
        cls, probabilities: NDArray[np.float32], class_values: tuple[float, ...], decision: Decision = "mode"
    ) -> Scores:
        """What `choose` and `mean_rating` say of probabilities."""
        chosen = choose(probabilities, class_values, decision)
        return cls(probabilities, chosen, mean_rating(probabilities, class_values))

    def __len__(self) -> int:
        return len(self.class_index)


def choose(
    probabilities: NDArray[np.float32], class_values: tuple[float, ...], decision: Decision = "mode"
) -> NDArray[np.int64]:
    """The class of each row, int64 (n_rows,), ties to the lower.

    Args:
        probabilities: float32 (n_rows, n_classes).
        class_values: stars of each class, rising.
        decision: ``mode``, the likeliest class, most often exact; ``median``, the first class up to which half of
            the probability lies, least far away on average; ``mean``, the class nearest to the mean.
    """
    if decision == "median":
        return _median_class(probabilities)
    if decision == "mean":
        return _nearest_class(class_values, mean_rating(probabilities, class_values))
    likeliest: NDArray[np.int64] = probabilities.argmax(axis=1)
    return likeliest


def mean_rating(probabilities: NDArray[np.float32], class_values: tuple[float, ...]) -> NDArray[np.float64]:
    """The mean of each row's distribution, in stars, float64 (n_rows,)."""
    if len(probabilities) <= _FEW_ROWS:
        return np.array(
            [reduce(add, map(mul, class_values, row), 0.0) for row in probabilities.tolist()], dtype=np.float64
        )
    means = np.zeros(len(probabilities))
    for value, column in zip(class_values, probabilities.T, strict=True):
        means += value * column.astype(np.float64)
    return means


def _median_class(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    so_far = np.cumsum(probabilities, axis=1, dtype=np.float64)
    # Half of their own sum, as float32 probabilities seldom add up to exactly 1.
    classes: NDArray[np.int64] = np.count_nonzero(2 * so_far < so_far[:, -1:], axis=1)
    return classes


def _nearest_class(class_values: tuple[float, ...], means: NDArray[np.float64]) -> NDArray[np.int64]:
    values = np.array(class_values)
    return np.searchsorted((values[1:] + values[:-1]) / 2, means)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted `FeatureSpec`, the booster trained on its features, and how a class is chosen of what it says."""

    spec: FeatureSpec
    booster: Booster
    decision: Decision = "mode"

    @property
    def class_values(self) -> tuple[float, ...]:
        """Stars of each class, rising."""
        return self.spec.scale.class_values

    @property
    def movies(self) -> MovieTable:
        """The catalogue of the training job."""
        return self.spec.movies

    def predict(self, queries: RatingQueries) -> Scores:
        """Scores of any number of rows; safe to call from several threads."""
        return Scores.of(self.probabilities(queries), self.class_values, self.decision)

    def probabilities(self, queries: RatingQueries) -> NDArray[np.float32]:
        """The distribution of each row, float32 (n_rows, n_classes); as safe."""
        if not len(queries):
            return np.empty((0, len(self.class_values)), dtype=np.float32)
        features = self.spec.transform(queries)
        probabilities: NDArray[np.float32] = self.booster.inplace_predict(features.values, validate_features=False)
        return probabilities

    def knows_user(self, user_id: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each user has ratings in the training rows, bool (n_rows,)."""
        return self.spec.users.index(user_id) >= 0

    def movie_index(self, movie_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each movie in `movies`, int64 (n_rows,), -1 where the catalogue doesn't list it."""
        return self.spec.movie_index.index(movie_id)

    def rating(self, class_index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stars of each class index, float64 (n_rows,)."""
        return self.spec.scale.to_rating(class_index)
