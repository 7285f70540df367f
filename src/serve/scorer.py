"""Rows to predictions: the model's scores beside what the catalogue and the training rows know of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from movielens.queries import RatingQueries
from movielens.tables import MovieTable

if TYPE_CHECKING:  # the model brings XGBoost, which must not be imported before the settings are read
    from movielens.model import Model, Scores


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """All that an answer may say, a row a query.

    Attributes:
        queries: what was asked.
        scores: what the model says.
        class_values: stars of each class, rising.
        movies: the catalogue.
        movie_index: int64 (n_rows,), places in ``movies``, -1 where the catalogue doesn't list the movie.
        knows_user: bool (n_rows,), whether the user has ratings in the training rows.
    """

    queries: RatingQueries
    scores: Scores
    class_values: tuple[float, ...]
    movies: MovieTable
    movie_index: NDArray[np.int64]
    knows_user: NDArray[np.bool_]


def score(model: Model, queries: RatingQueries) -> Predictions:
    """Predict any number of rows; an unknown user or movie is a row like any other, and flagged."""
    return Predictions(
        queries,
        model.predict(queries),
        model.class_values,
        model.movies,
        model.movie_index(queries.movie_id),
        model.knows_user(queries.user_id),
    )
