from __future__ import annotations

import numpy as np
import pytest

from movielens.features.factors import Vectors, _find_vectors
from movielens.features.opinions import Opinions
from movielens.features.training_rows import TrainingRows
from movielens.tables import MovieTable


def test_a_step_of_the_factorization_is_that_of_the_formula(
    training: TrainingRows, movies: MovieTable
) -> None:
    d = 4
    noise = 0.7
    n_movies = len(movies) + 1
    triangle = np.tril_indices(d)
    rng = np.random.default_rng(0)
    opinions = Opinions.by_user(training)
    movie = Vectors(
        mean=rng.normal(size=(n_movies, d)),
        covariance=rng.random((n_movies, len(triangle[0]))),
        unexplained=np.zeros(n_movies),
    )
    precision = np.array([1.0, 2.0, 3.0, 200.0])
    shift = rng.normal(size=(training.n_users + 1, d))

    found = _find_vectors(opinions, movie, precision, shift, noise)

    for user in (0, 7, training.n_users):
        rows = slice(opinions.start[user], opinions.start[user + 1])
        rated = opinions.index[rows]
        left = opinions.residual[rows] - movie.mean[rated, -1]
        design = movie.mean[rated].copy()
        design[:, -1] = 1
        spread = np.zeros((len(rated), d, d))
        spread[(slice(None), *triangle)] = movie.covariance[rated]
        spread += np.tril(spread, -1).transpose(0, 2, 1)
        spread[:, -1] = 0
        spread[:, :, -1] = 0

        square = (design[:, :, None] * design[:, None] + spread).sum(axis=0)
        covariance = np.linalg.inv(square / noise + np.diag(precision))
        mean = covariance @ (design.T @ left / noise + shift[user])
        second = np.outer(mean, mean) + covariance
        explained = 2 * mean @ (design.T @ left) - (second * square).sum()

        np.testing.assert_allclose(found.mean[user], mean)
        np.testing.assert_allclose(
            found.covariance[user], covariance[triangle], atol=1e-12
        )
        np.testing.assert_allclose(
            found.unexplained[user], left @ left - explained, atol=1e-12
        )


def test_vectors_whose_covariance_is_no_triangle_are_refused() -> None:
    opinions = Opinions(
        start=np.array([0, 1]),
        index=np.zeros(1, dtype=np.int32),
        residual=np.ones(1),
    )
    other = Vectors(
        mean=np.ones((1, 2)),
        covariance=np.ones((1, 4)),
        unexplained=np.zeros(1),
    )
    precision = np.ones(2)
    shift = np.ones((1, 2))
    with pytest.raises(ValueError, match="vectors of 2 and triangles of 4 elements"):
        _find_vectors(opinions, other, precision, shift, noise=1.0)
