"""Rows of a request with their predictions, and what the model knows of each row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.tables import MovieTable


class PredictedRows(NamedTuple):
    """All that an answer may say, a row a query.

    Attributes:
        queries: what was asked.
        predictions: what the model answered.
        model: looked up where an answer says more, such as titles.
        contributions: for each row the features that moved the expected rating most,
            or None where nobody asked.
    """

    queries: RatingQueries
    predictions: Predictions
    model: Model
    contributions: list[dict[str, Any]] | None = None

    @property
    def class_values(self) -> tuple[float, ...]:
        """Stars of each class, rising."""
        return self.predictions.class_values

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

    def take(self, rows: NDArray[np.int64]) -> PredictedRows:
        """The given rows (int64 positions), in that order, without contributions."""
        return PredictedRows(
            self.queries.take(rows), self.predictions.take(rows), self.model
        )


def predict_rows(model: Model, queries: RatingQueries) -> PredictedRows:
    """Predict any number of rows; an unknown user or movie is a row like any other."""
    return PredictedRows(queries, model.predict(queries), model)
