"""Questions with the answers that training gave, by which a server finds out whether it
computes the same.

Some rows are what requests come to: known ids, unknown ones, with a time and without.
    Others stand on the split points
of the trees, where a comparison that is off by the last bit shows.
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

N_ROWS = 64
_UNKNOWN_ID = -1
_SOME_TIME = 1.2e9


@dataclass(frozen=True, slots=True, eq=False)
class SelfTest:
    """What was asked and what was answered.

    Attributes:
        user_id, movie_id: int64 (n_rows,).
        timestamp: float64 (n_rows,), NaN in every other row.
        probabilities: float32 (n_rows, n_classes), the model's answers.
        features: float32 (n_features_rows, n_features).
        margins: float32 (n_features_rows, n_classes), the trees' sums before softmax,
            which no mathematical library of another machine could change.
        stars: float32 (n_features_rows, 1), what the regression says, or
            (n_features_rows, 0) where there is none.
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
        """Ask an `xgboost.Booster`, and that of a regression or None; ``flat`` are the
        flat forms that they have.
        """
        queries = RatingQueries(
            _spread(spec.users.ids, step=1),
            _spread(spec.movies.movie_id.astype(np.int64), step=7),
            np.where(np.arange(N_ROWS) % 2, _SOME_TIME, np.nan),
        )
        values = spec.transform(queries).values
        features = np.vstack(
            [values, *(_on_split_points(form, values.shape[1]) for form in flat)]
        )
        stars = np.empty(0, dtype=np.float32)
        if regression is not None:
            stars = regression.inplace_predict(features, validate_features=False)
        return cls(
            queries.user_id,
            queries.movie_id,
            queries.timestamp,
            booster.inplace_predict(values, validate_features=False),
            features,
            booster.inplace_predict(
                features, predict_type="margin", validate_features=False
            ),
            stars.reshape(len(features), -1),
        )

    @property
    def has_regression(self) -> bool:
        """Whether a regression was asked too."""
        return bool(self.stars.size)

    @property
    def queries(self) -> RatingQueries:
        """What was asked."""
        return RatingQueries(self.user_id, self.movie_id, self.timestamp)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Its fields."""
        return asdict(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The test that `to_arrays` was called on; raises KeyError where the arrays
        aren't its.
        """
        # Models of before there were regressions have none.
        given = {"stars": np.empty((0, 0), dtype=np.float32), **arrays}
        return cls(**{field.name: given[field.name] for field in fields(cls)})


def _spread(ids: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Ids from all over the range, every eighth an unknown one."""
    row = np.arange(N_ROWS)
    return np.where(
        row % 8 == step % 8,
        _UNKNOWN_ID,
        ids[row * step * max(1, len(ids) // N_ROWS) % len(ids)],
    )


def _on_split_points(flat: bytes, n_features: int) -> NDArray[np.float32]:
    rows = np.full((N_ROWS, n_features), np.nan, dtype=np.float32)
    columns, values = split_points(flat)
    for column in np.unique(columns):
        points = values[columns == column]
        rows[:, column] = points[
            (np.arange(N_ROWS) * (1 + len(points) // N_ROWS) + column) % len(points)
        ]
    return rows
