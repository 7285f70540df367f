from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.features.factors import Factors
from movielens.features.level import KnownMovies, Level
from movielens.features.taste import Taste
from movielens.features.training_rows import TrainingRows
from movielens.features.workers import Workers


@pytest.fixture(scope="module")
def known(training: TrainingRows) -> KnownMovies:
    groups = (Taste.fit(training), Factors.fit(training))
    return KnownMovies.of(groups, training.bias)


def test_the_level_is_a_regression_on_vectors_and_terms(
    training: TrainingRows, known: KnownMovies
) -> None:
    """And what it leaves of a rating is what a fit without that rating leaves.

    Biases are held fixed, and their leverage is added.
    """
    level = Level.fit(training, known)
    kept, _ = training.latest
    mine = np.flatnonzero(training.user_index == 3)
    movie = training.movie_index[mine]
    rank = known.factors.shape[1] - 1
    values = np.hstack([known.factors[movie, :-1], known.terms[movie]]).astype(float)
    variance = np.append(np.full(rank, 0.16), known.variance)
    variance[-1] += 0.15**2
    uncertain = known.uncertainty[movie] * np.append(np.full(rank, 0.16), 1)
    noise = 0.55 + 1.5 / (level.raters[movie] + 2) + uncertain.sum(axis=1)
    left = training.residual[mine] - known.factors[movie, -1]

    def weights_without(place: int) -> np.ndarray:
        others = np.arange(len(mine)) != place
        weighted = values[others] / noise[others, None]
        # Without the variances' inverses, since one of them may be 0.
        square = np.eye(len(variance)) + variance[:, None] * (
            weighted.T @ values[others]
        )
        return np.linalg.solve(square, variance * (weighted.T @ left[others]))

    weights = weights_without(-1)
    found = np.append(level.user_factors[3, :-1], level.user_terms[3])
    np.testing.assert_allclose(found, weights, atol=1e-5)
    base = training.bias.mean + training.bias.user[3]
    assert level.user_factors[3, -1] == pytest.approx(base)

    for place, row in enumerate(mine):
        without = left[place] - values[place] @ weights_without(place)
        all_leave = left[place] - values[place] @ weights
        leverage = 1 - all_leave / without
        leverage += 1 / (len(mine) + 5) + 1 / (level.raters[movie[place]] + 4)
        found_rest = level.rest[np.flatnonzero(kept == row)[0]]
        assert found_rest == pytest.approx(
            all_leave / (1 - min(leverage, 0.9)), rel=1e-3, abs=1e-6
        )
    assert level.rest[-1] == 0


def test_without_other_groups_the_level_is_a_little_more_than_the_bias(
    training: TrainingRows,
) -> None:
    level = Level.fit(training, KnownMovies.of((), training.bias))
    assert level.user_factors.shape[1] == level.user_terms.shape[1] == 1
    assert np.all(np.abs(level.user_terms) < 0.5)


def test_the_same_users_have_the_same_level(
    training: TrainingRows, known: KnownMovies
) -> None:
    level = Level.fit(training, known)
    assert_same(level.with_users(training), level)


def test_the_level_comes_back_from_its_arrays(
    training: TrainingRows, known: KnownMovies
) -> None:
    level = Level.fit(training, known)
    assert_same(Level.from_arrays(level.to_arrays(), known), level)


def test_threads_change_nothing(training: TrainingRows) -> None:
    """Here, users are more than one thread takes at once."""
    rng = np.random.default_rng(3)
    n_users, n_ratings = 600, 2_000
    pair = np.sort(rng.permutation(n_users * training.n_movies)[:n_ratings])
    many = TrainingRows.of_users(
        user_index=pair // training.n_movies,
        movie_index=pair % training.n_movies,
        rating=rng.integers(1, 11, n_ratings) / 2,
        timestamp=np.full(n_ratings, np.nan),
        n_users=n_users,
        catalogue=training.catalogue,
        scale=training.scale,
        bias=None,
    )
    known = KnownMovies.of((Taste.fit(many), Factors.fit(many)), many.bias)
    alone = Level.fit(many, known)
    with Workers(3) as workers:
        assert_same(Level.fit(replace(many, workers=workers), known), alone)


def test_nothing_of_64_bits_is_stored_of_ratings_users_or_movies(
    training: TrainingRows, known: KnownMovies
) -> None:
    level = Level.fit(training, known)
    for array in level.to_arrays().values():
        assert array.dtype == np.float32 or len(array) <= len(level.scale)


def assert_same(one: Level, other: Level) -> None:
    for name, table in other.tables().items():
        np.testing.assert_array_equal(one.tables()[name], table)
