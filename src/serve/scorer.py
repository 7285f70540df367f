"""Rows to predictions: what the model says beside what the catalogue and the training
rows know of each row.

What only some answers say is computed when it is asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.model import Model, choose, expected_rating
from movielens.queries import RatingQueries
from movielens.tables import MovieTable


class Predictions(NamedTuple):
    """All that an answer may say, a row a query.

    Attributes:
        queries: what was asked.
        probabilities: float32 (n_rows, n_classes), a row sums to 1.
        estimate: float32 (n_rows,), stars of the model's regression, None where it has
            none.
        class_index: int64 (n_rows,), the class that was decided on, 0 to n_classes - 1.
        model: which says more when asked.
        contributions: for each row the features that moved the expected rating most, or
            None where nobody asked.
    """

    queries: RatingQueries
    probabilities: NDArray[np.float32]
    estimate: NDArray[np.float32] | None
    class_index: NDArray[np.int64]
    model: Model
    contributions: list[dict[str, Any]] | None = None

    @property
    def class_values(self) -> tuple[float, ...]:
        """Stars of each class, rising."""
        return self.model.class_values

    @property
    def expected_rating(self) -> NDArray[np.float64]:
        """As `movielens.model.expected_rating` says, in stars, float64 (n_rows,)."""
        return expected_rating(
            self.probabilities, self.model.class_values, self.estimate
        )

    @property
    def movies(self) -> MovieTable:
        """The catalogue."""
        return self.model.movies

    @property
    def movie_index(self) -> NDArray[np.int64]:
        """Places in `movies`, int64 (n_rows,), -1 where the catalogue doesn't list the
        movie.
        """
        return self.model.movie_index(self.queries.movie_id)

    @property
    def knows_user(self) -> NDArray[np.bool_]:
        """Whether the user has ratings in the training rows, bool (n_rows,)."""
        return self.model.knows_user(self.queries.user_id)

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """The given rows (int64 positions), in that order, of predictions without
        contributions.
        """
        estimate = None if self.estimate is None else self.estimate[rows]
        taken = (
            self.queries.take(rows),
            self.probabilities[rows],
            estimate,
            self.class_index[rows],
        )
        return Predictions(*taken, self.model)


def score(model: Model, queries: RatingQueries) -> Predictions:
    """Predict any number of rows; an unknown user or movie is a row like any other."""
    probabilities, estimate = model.outputs(model.spec.values(queries))
    chosen = choose(probabilities, model.class_values, model.decision, estimate)
    return Predictions(queries, probabilities, estimate, chosen, model)
