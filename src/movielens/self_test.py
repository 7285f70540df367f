"""Questions with the answers that training gave.

A server asks them before it listens, to find out whether it computes the same. Some
rows are like those of requests: known and unknown ids, with and without a time. Others
lie on the split points of the trees, where a comparison that is off by the last bit
shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.flat_forest import split_points
from movielens.queries import RatingQueries

# How many questions are like requests, and how many lie on each booster's splits.
N_ROWS = 64
_UNKNOWN_ID = -1
_SOME_TIME = 1.2e9


@dataclass(frozen=True, slots=True, eq=False)
class SelfTest:
    """What was asked and what was answered.

    ``n_feature_rows`` is `N_ROWS` for the questions and `N_ROWS` for each flat form.

    Attributes:
        user_id: int64 (n_rows,), raw ids.
        movie_id: int64 (n_rows,), raw ids.
        timestamp: float64 (n_rows,), NaN in every other row.
        probabilities: float32 (n_rows, n_classes), the model's answers.
        features: float32 (n_feature_rows, n_features).
        margins: float32 (n_feature_rows, n_classes), the trees' sums before softmax,
            which don't depend on the machine's mathematical library.
        stars: float32 (n_feature_rows, 1), the regression's answers; (n_feature_rows,
            0) without a regression.
    """

    user_id: NDArray[np.int64]
    movie_id: NDArray[np.int64]
    timestamp: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    margins: NDArray[np.float32]
    stars: NDArray[np.float32]

    @classmethod
    def of(
        cls, spec: FeatureSpec, booster: Any, regression: Any, flat: Iterable[bytes]
    ) -> Self:
        """Ask the boosters of a model.

        Args:
            spec: the fitted features.
            booster: the `xgboost.Booster` of the classes.
            regression: the `xgboost.Booster` of the regression, or None.
            flat: the flat forms of the boosters that have one.
        """
        has_time = np.arange(N_ROWS) % 2 == 1
        queries = RatingQueries(
            user_id=_sample(spec.users.ids, step=1),
            movie_id=_sample(spec.movies.movie_id.astype(np.int64), step=7),
            timestamp=np.where(has_time, _SOME_TIME, np.nan),
        )
        values = spec.transform(queries).values
        n_features = values.shape[1]
        on_splits = [_on_split_points(form, n_features) for form in flat]
        features = np.vstack([values, *on_splits])

        stars = np.empty((len(features), 0), dtype=np.float32)
        if regression is not None:
            answers = regression.inplace_predict(features, validate_features=False)
            stars = answers.reshape(len(features), -1)
        return cls(
            user_id=queries.user_id,
            movie_id=queries.movie_id,
            timestamp=queries.timestamp,
            probabilities=booster.inplace_predict(values, validate_features=False),
            features=features,
            margins=booster.inplace_predict(
                features, predict_type="margin", validate_features=False
            ),
            stars=stars,
        )

    @property
    def has_regression(self) -> bool:
        """Whether a regression was asked too."""
        return self.stars.size > 0

    @property
    def queries(self) -> RatingQueries:
        """What was asked of the model."""
        return RatingQueries(self.user_id, self.movie_id, self.timestamp)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The self-test that `to_arrays` was called on.

        Raises:
            KeyError: an array is missing.
        """
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def _sample(ids: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Ids from the whole range, int64 (N_ROWS,); every eighth is an unknown one."""
    row = np.arange(N_ROWS)
    stride = max(1, len(ids) // N_ROWS)
    position = row * step * stride
    known = ids[position % len(ids)]

    is_unknown = row % 8 == step % 8
    return np.where(is_unknown, _UNKNOWN_ID, known)


def _on_split_points(flat: bytes, n_features: int) -> NDArray[np.float32]:
    """Rows whose features are split points, float32 (N_ROWS, n_features).

    Features without a split are missing.
    """
    rows = np.full((N_ROWS, n_features), np.nan, dtype=np.float32)
    columns, values = split_points(flat)
    for column in np.unique(columns):
        points = values[columns == column]
        stride = 1 + len(points) // N_ROWS
        position = np.arange(N_ROWS) * stride + column
        rows[:, column] = points[position % len(points)]
    return rows
