from __future__ import annotations

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.taste import Taste
from movielens.features.training_rows import TrainingRows
from movielens.tables import MovieTable, RatingTable
from tests.movielens.features.asking import (
    ROW,
    features_of,
    of_same_user,
    user_index_of,
)


def test_taste_is_a_regression_whose_weights_have_the_fitted_variances(
    spec: FeatureSpec, ratings: RatingTable, training: TrainingRows
) -> None:
    taste = Taste.fit(training)
    noise = taste.variance[-1]
    rows = np.flatnonzero(training.user_index == user_index_of(ratings))
    terms = taste.movie[training.movie_index[rows]].astype(float)
    precision = terms.T @ terms / noise + np.diag(1 / taste.variance[:-1])
    evidence = terms.T @ training.residual[rows] / noise
    weights = np.linalg.solve(precision, evidence)

    movie = training.catalogue.index.index(ratings.movie_id[[ROW]])[0]
    expected = float(taste.movie[movie] @ weights)
    found = features_of(spec, ratings)["taste_residual"]
    assert found == pytest.approx(expected, abs=1e-5)


def test_what_is_beyond_taste_is_what_a_fit_without_the_rating_leaves(
    training: TrainingRows,
) -> None:
    """Leverages give the residuals of fits that leave one rating out.

    Biases and variances are held fixed.
    """
    taste = Taste.fit(training)
    noise = taste.variance[-1]
    mine = np.flatnonzero(training.user_index == 3)
    terms = taste.movie[training.movie_index[mine]].astype(float)
    residual = training.residual[mine]
    prior = np.diag(1 / taste.variance[:-1])
    covariance = np.linalg.inv(terms.T @ terms / noise + prior)
    weights = covariance @ terms.T @ residual / noise
    kept, _ = training.latest

    for place, row in enumerate(mine):
        others = np.arange(len(mine)) != place
        precision = terms[others].T @ terms[others] / noise + prior
        evidence = terms[others].T @ residual[others] / noise
        left_out = residual[place] - terms[place] @ np.linalg.solve(precision, evidence)
        left = residual[place] - terms[place] @ weights
        leverage = terms[place] @ covariance @ terms[place] / noise
        assert left / (1 - leverage) == pytest.approx(left_out)

        n_raters = taste.raters[training.movie_index[row]]
        bias_leverage = 1 / (len(mine) + 5) + 1 / (n_raters + 4)
        expected = left / (1 - min(leverage + bias_leverage, 0.8))
        found = taste.beyond[np.flatnonzero(kept == row)[0]]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_alike_movies_are_those_of_similar_genres_and_year(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable, training: TrainingRows
) -> None:
    catalogue = training.catalogue
    flags = np.nan_to_num(catalogue.genre_flags)
    here = movies.movie_id.tolist().index(ratings.movie_id[ROW])
    rated = catalogue.index.index(ratings.movie_id[of_same_user(ratings)])
    weight = 0.0
    for movie in rated:
        common = flags[here] @ flags[movie]
        if not common:
            continue
        cosine = common**2 / (flags[here].sum() * flags[movie].sum())
        years = abs(float(catalogue.year[here] - catalogue.year[movie]))
        distance = (30 if np.isnan(years) else years) / 15
        weight += cosine / (1 + distance) ** 2
    found = features_of(spec, ratings)["alike_genre_weight"]
    assert found == pytest.approx(weight, rel=1e-4)


def test_variances_are_taken_from_some_of_the_users(training: TrainingRows) -> None:
    whole = Taste.fit(training)
    some = Taste.fit(training, most_users=10)
    assert not np.array_equal(some.variance, whole.variance)
    assert some.user.shape == whole.user.shape
