"""Rows to predictions: what the model says beside what the catalogue and the training rows know of each row.

What only some answers say is computed when it is asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.model import Model, choose, mean_rating
from movielens.queries import RatingQueries
from movielens.tables import MovieTable


class Predictions(NamedTuple):
    """All that an answer may say, a row a query.

    Attributes:
        queries: what was asked.
        probabilities: float32 (n_rows, n_classes), a row sums to 1.
        class_index: int64 (n_rows,), the class that was decided on, 0 to n_classes - 1.
        model: which says more when asked.
        contributions: for each row the features that moved the expected rating most, or None where nobody asked.
    """

    queries: RatingQueries
    probabilities: NDArray[np.float32]
    class_index: NDArray[np.int64]
    model: Model
    contributions: list[dict[str, Any]] | None = None

    @property
    def class_values(self) -> tuple[float, ...]:
        """Stars of each class, rising."""
        return self.model.class_values

    @property
    def expected_rating(self) -> NDArray[np.float64]:
        """Mean of the distribution, in stars, float64 (n_rows,)."""
        return mean_rating(self.probabilities, self.model.class_values)

    @property
    def movies(self) -> MovieTable:
        """The catalogue."""
        return self.model.movies

    @property
    def movie_index(self) -> NDArray[np.int64]:
        """Places in `movies`, int64 (n_rows,), -1 where the catalogue doesn't list the movie."""
        return self.model.movie_index(self.queries.movie_id)

    @property
    def knows_user(self) -> NDArray[np.bool_]:
        """Whether the user has ratings in the training rows, bool (n_rows,)."""
        return self.model.knows_user(self.queries.user_id)

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """The given rows (int64 positions), in that order, of predictions without contributions."""
        return Predictions(self.queries.take(rows), self.probabilities[rows], self.class_index[rows], self.model)


def score(model: Model, queries: RatingQueries) -> Predictions:
    """Predict any number of rows; an unknown user or movie is a row like any other."""
    probabilities = model.probabilities(queries)
    return Predictions(queries, probabilities, choose(probabilities, model.class_values, model.decision), model)
