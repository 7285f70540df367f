"""From raw ids to a distribution over rating classes: the fitted features and the
trees, as one thing.

Training evaluates through this class and serving answers through it, so what was
evaluated is what is served. Nothing here depends on how many rows are asked at once:
the mean of the distribution is summed class by class, since a matrix product may round
a single row otherwise than the same row among many.
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

Floats = NDArray[np.float32]
Decision = Literal["mode", "median", "mean"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
# Up to here Python's floats are quicker than numpy's columns; both add up the same
# numbers in the same order.
_FEW_ROWS = 6


class Booster(Protocol):
    """What a model needs of its trees: `xgboost.Booster` has it, and so does whatever
    else gives the same bits.
    """

    def inplace_predict(self, data: Any, *, validate_features: bool) -> Any:
        """Probabilities, float32 (n_rows, n_classes), or stars, (n_rows,), of float32
        (n_rows, n_features).
        """


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the model says of some rows.

    Attributes:
        probabilities: float32 (n_rows, n_classes), a row sums to 1.
        class_index: int64 (n_rows,), the class that was decided on, 0 to n_classes - 1.
        expected_rating: float64 (n_rows,), in stars: the mean of the distribution, or
            halfway from it to the estimate of a regression.
    """

    probabilities: NDArray[np.float32]
    class_index: NDArray[np.int64]
    expected_rating: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        probabilities: Floats,
        class_values: tuple[float, ...],
        decision: Decision = "mode",
        estimate: Floats | None = None,
    ) -> Scores:
        """What `choose` and `expected_rating` say of probabilities and of an estimate."""
        chosen = choose(probabilities, class_values, decision, estimate)
        return cls(
            probabilities,
            chosen,
            expected_rating(probabilities, class_values, estimate),
        )

    def __len__(self) -> int:
        return len(self.class_index)


def choose(
    probabilities: Floats,
    class_values: tuple[float, ...],
    decision: Decision = "mode",
    estimate: Floats | None = None,
) -> NDArray[np.int64]:
    """The class of each row, int64 (n_rows,), ties to the lower.

    Args:
        probabilities: float32 (n_rows, n_classes).
        class_values: stars of each class, rising.
        decision: ``mode``, the likeliest class, most often exact; ``median``, the first
            class up to which half of the probability lies, least far away on average;
            ``mean``, the class nearest to the expected rating.
        estimate: as for `expected_rating`.
    """
    if decision == "median":
        return _median_class(probabilities)
    if decision == "mean":
        return _nearest_class(
            class_values, expected_rating(probabilities, class_values, estimate)
        )
    likeliest: NDArray[np.int64] = probabilities.argmax(axis=1)
    return likeliest


def expected_rating(
    probabilities: Floats,
    class_values: tuple[float, ...],
    estimate: Floats | None = None,
) -> NDArray[np.float64]:
    """The mean of each row's distribution, or halfway from it to an estimate, in stars,
    float64 (n_rows,).

    Args:
        probabilities: float32 (n_rows, n_classes).
        class_values: stars of each class, rising.
        estimate: float32 (n_rows,), stars of a regression; where they are off the
            scale, its end counts.
    """
    means = _means(probabilities, class_values)
    if estimate is None:
        return means
    halfway: NDArray[np.float64] = (
        means + np.minimum(np.maximum(estimate, class_values[0]), class_values[-1])
    ) / 2
    return halfway


def _means(
    probabilities: Floats, class_values: tuple[float, ...]
) -> NDArray[np.float64]:
    if len(probabilities) <= _FEW_ROWS:
        return np.array(
            [
                reduce(add, map(mul, class_values, row), 0.0)
                for row in probabilities.tolist()
            ],
            dtype=np.float64,
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


def _nearest_class(
    class_values: tuple[float, ...], means: NDArray[np.float64]
) -> NDArray[np.int64]:
    values = np.array(class_values)
    return np.searchsorted((values[1:] + values[:-1]) / 2, means)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted `FeatureSpec` and the trees trained on its features.

    Attributes:
        spec: makes the features.
        booster: says the probabilities of the classes.
        decision: how a class is chosen of them.
        regression: says stars, if there is one.
    """

    spec: FeatureSpec
    booster: Booster
    decision: Decision = "mode"
    regression: Booster | None = None

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
        probabilities, estimate = self.outputs(self.spec.values(queries))
        return Scores.of(probabilities, self.class_values, self.decision, estimate)

    def outputs(self, features: Floats) -> tuple[Floats, Floats | None]:
        """What the trees say of features, float32 (n_rows, n_features); as safe.

        Returns:
            Probabilities, float32 (n_rows, n_classes), and the regression's stars,
            (n_rows,), if any.
        """
        if not len(features):
            return np.empty((0, len(self.class_values)), dtype=np.float32), None
        probabilities: Floats = self.booster.inplace_predict(
            features, validate_features=False
        )
        if self.regression is None:
            return probabilities, None
        return probabilities, self.regression.inplace_predict(
            features, validate_features=False
        ).reshape(-1)

    def knows_user(self, user_id: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each user has ratings in the training rows, bool (n_rows,)."""
        return self.spec.users.index(user_id) >= 0

    def movie_index(self, movie_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each movie in `movies`, int64 (n_rows,), -1 where the catalogue
        doesn't list it.
        """
        return self.spec.movie_index.index(movie_id)

    def rating(self, class_index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stars of each class index, float64 (n_rows,)."""
        return self.spec.scale.to_rating(class_index)
