"""Rows of a request with their predictions, and what the model knows of each row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries, UnknownIds
from movielens.tables import MovieTable


class PredictedRows(NamedTuple):
    """All that an answer may say of some rows.

    Attributes:
        queries: the rows.
        predicted: what the model predicts for them.
        model: looked up for what else an answer says, such as titles.
        unknown: which ids of the rows that were predicted aren't known; None if all
            are.
        contributions: for each row the features that moved its expected rating most, as
            `serve.contributions` makes them; None if the client didn't ask.
    """

    queries: RatingQueries
    predicted: Predictions
    model: Model
    unknown: UnknownIds | None = None
    contributions: list[dict[str, Any]] | None = None

    @property
    def movies(self) -> MovieTable:
        """The catalogue of the training job."""
        return self.model.movies

    @property
    def movie_index(self) -> NDArray[np.int64]:
        """The place of each row's movie in `movies`, int64 (n_rows,).

        -1 if the catalogue doesn't list it.
        """
        return self.model.movie_index(self.queries.movie_id)

    @property
    def knows_user(self) -> NDArray[np.bool_]:
        """Whether each row's user has ratings in training, bool (n_rows,)."""
        return self.model.knows_user(self.queries.user_id)

    def take(self, rows: NDArray[np.int64]) -> PredictedRows:
        """The given rows (int64 positions), in that order, without contributions."""
        return PredictedRows(
            self.queries.take(rows), self.predicted.take(rows), self.model
        )


def predict_rows(model: Model, queries: RatingQueries) -> PredictedRows:
    """Predict any number of rows; unknown users and movies are predicted as well."""
    predicted, unknown = model.predict_and_look_up(queries)
    return PredictedRows(queries, predicted, model, unknown)
