from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.features.kernels import extension
from movielens.features.opinions import Opinions
from movielens.features.similarity import find_most_similar
from movielens.features.training_rows import TrainingRows

Matrix = NDArray[np.float64]


def similarity_of(one: Matrix, other: Matrix, shrinkage: float) -> float:
    """The formula, for what the raters of both movies thought of them."""
    n = len(one)
    if n < 2:
        return 0.0
    squares = (one @ one) * (other @ other)
    norm = np.sqrt(squares) + 0.3 * shrinkage
    confidence = n / (n + shrinkage)
    similarity = float(one @ other / norm * confidence)
    return max(similarity, 0.0)


def test_the_most_similar_movies_are_those_of_the_formula(
    training: TrainingRows,
) -> None:
    shrinkage = 3.0
    n_movies = training.n_movies
    residual = np.full((training.n_users, n_movies), np.nan)
    residual[training.user_index, training.movie_index] = training.residual
    similarity = np.zeros((n_movies, n_movies))
    for i, j in np.argwhere(~np.eye(n_movies, dtype=bool)):
        both = residual[:, [i, j]]
        one, other = both[~np.isnan(both).any(axis=1)].T
        similarity[i, j] = similarity_of(one, other, shrinkage)

    found, weights = find_most_similar(
        Opinions.by_movie(training), Opinions.by_user(training), shrinkage, 4
    )

    np.testing.assert_array_equal(found[-1], n_movies)
    for movie in range(n_movies):
        order = np.argsort(-similarity[movie], kind="stable")[:4]
        expected = similarity[movie, order]
        np.testing.assert_allclose(weights[movie], expected, rtol=1e-4)
        np.testing.assert_array_equal(
            found[movie], np.where(expected > 0, order, n_movies)
        )


def test_ratings_out_of_bounds_are_refused() -> None:
    index = np.zeros(1, dtype=np.int32)
    start = np.array([0, 1])
    one = np.ones(1, dtype=np.float32)
    ratings: dict[str, Any] = {
        "item_start": start,
        "rater": index,
        "opinion": one,
        "rater_start": start,
        "item": index,
        "opinion_of_item": one,
        "shrinkage": one,
        "norm_shrinkage": one,
    }
    found = {
        "neighbour": np.zeros((1, 3), np.int32),
        "similarity": np.zeros((1, 3), np.float32),
    }
    extension().find_most_similar(ratings, found, 0, 1)
    for wrong in (
        {"item": index + 1},
        {"rater": index - 1},
        {"item_start": start[::-1].copy()},
    ):
        with pytest.raises(ValueError, match="a start or an index is out of bounds"):
            extension().find_most_similar(ratings | wrong, found, 0, 1)
    with pytest.raises(ValueError, match="rows 0 to 2 of 1"):
        extension().find_most_similar(ratings, found, 0, 2)
