from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.features.taste import Taste
from movielens.tables import MovieTable, RatingTable
from serve.onboarding import Onboarding

NOTHING = np.empty(0, dtype=np.int64)


def of_terms(terms: list[list[float]], share: list[float]) -> Onboarding:
    """Movies with these terms, and a noise of 1."""
    matrix = np.array(terms)
    common = matrix.T @ (matrix * np.array(share)[:, None]) / sum(share)
    return Onboarding(matrix, 1.0, np.array(share), common)


def mean_variance(
    onboarding: Onboarding, rated: NDArray[np.int64], times: float = 1.0
) -> float:
    """Of the opinions of a user with such ratings, weighted by the movies' raters."""
    terms = onboarding.terms[rated]
    precision = np.eye(onboarding.terms.shape[1])
    precision += times * terms.T @ terms / onboarding.noise
    covariance = np.linalg.inv(precision)
    variance = np.einsum("ij,jk,ik->i", onboarding.terms, covariance, onboarding.terms)
    return float(np.average(variance, weights=onboarding.share))


@pytest.fixture(scope="module")
def onboarding(ratings: RatingTable, movies: MovieTable) -> Onboarding:
    spec = FeatureSpec.fit(ratings, movies)
    return Onboarding.of(spec, spec.profiles.counts(len(movies)))


def test_a_gain_is_what_a_rating_takes_from_the_variance(
    onboarding: Onboarding,
) -> None:
    for rated in (NOTHING, np.array([2, 7])):
        before = mean_variance(onboarding, rated)
        for movie in (0, 5):
            found = onboarding.choose(np.array([movie]), rated, 1)
            after = mean_variance(onboarding, np.append(rated, movie))
            assert found.gain[0] == pytest.approx(before - after, rel=1e-5)


def test_the_first_movie_has_the_highest_gain_times_share(
    onboarding: Onboarding,
) -> None:
    everything = np.arange(len(onboarding.share))
    alone = [onboarding.choose(np.array([each]), NOTHING, 1) for each in everything]
    worth = [float(each.gain[0] * each.share[0]) for each in alone]
    found = onboarding.choose(everything, NOTHING, 4)
    assert found.movie_index[0] == int(np.argmax(worth))
    assert len(set(found.movie_index.tolist())) == 4
    assert found.share.tolist() == onboarding.share[found.movie_index].tolist()


def test_a_movie_that_says_the_same_as_another_comes_later() -> None:
    alike = [[1.0, 0.0], [0.99, 0.0], [0.0, 1.2]]
    onboarding = of_terms(alike, [0.9, 0.9, 0.8])
    found = onboarding.choose(np.arange(3), NOTHING, 3)
    assert found.movie_index.tolist() == [0, 2, 1]
    after_the_first = onboarding.choose(np.array([1, 2]), np.array([0]), 2)
    assert after_the_first.movie_index.tolist() == [2, 1]


def test_a_movie_that_nobody_knows_is_not_asked_about_first() -> None:
    onboarding = of_terms([[3.0, 0.0], [0.5, 0.5]], [0.01, 0.9])
    assert onboarding.choose(np.arange(2), NOTHING, 2).movie_index.tolist() == [1, 0]


def test_a_question_that_may_go_unanswered_takes_its_share_of_the_variance() -> None:
    onboarding = of_terms([[1.0], [1.0]], [0.5, 0.25])
    found = onboarding.choose(np.arange(2), NOTHING, 2)
    # The variance of the weight is 1, and 1/2 if the first question is answered.
    expected = 0.5 * 0.5 + 0.5 * 1.0
    assert found.gain[1] == pytest.approx(expected**2 / (expected + 1.0), rel=1e-5)


def test_the_order_in_which_numbers_are_added_changes_nothing(
    onboarding: Onboarding,
) -> None:
    # It depends on the number of threads that a product of matrices uses.
    order = np.arange(onboarding.terms.shape[1])[::-1]
    reordered = replace(
        onboarding,
        terms=np.ascontiguousarray(onboarding.terms[:, order]),
        common=np.ascontiguousarray(onboarding.common[np.ix_(order, order)]),
    )
    everything = np.arange(len(onboarding.share))
    for rated in (NOTHING, np.array([2, 7])):
        found = onboarding.choose(everything, rated, 10)
        again = reordered.choose(everything, rated, 10)
        assert found.movie_index.tolist() == again.movie_index.tolist()
        assert found.gain.tolist() == again.gain.tolist()


def test_gains_are_never_negative(onboarding: Onboarding) -> None:
    rated = np.tile(np.arange(len(onboarding.share)), 10_000)
    found = onboarding.choose(np.arange(len(onboarding.share)), rated, 13)
    assert (found.gain >= 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0, 1e300])
def test_numbers_that_no_training_finds_do_no_harm(
    ratings: RatingTable, movies: MovieTable, value: float
) -> None:
    spec = FeatureSpec.fit(ratings, movies)
    n_ratings = spec.profiles.counts(len(movies))
    for place in (0, -1):
        groups = []
        for group in spec.groups:
            if isinstance(group, Taste):
                variance = group.variance.copy()
                variance[place] = value
                group = replace(group, variance=variance)
            groups.append(group)
        with np.errstate(all="ignore"):
            edited = Onboarding.of(replace(spec, groups=tuple(groups)), n_ratings)
            found = edited.choose(np.arange(len(movies)), np.array([1, 2]), 13)
        assert sorted(found.movie_index.tolist()) == list(range(len(movies)))
        assert np.isfinite(found.gain).all()


def test_there_may_be_fewer_movies_than_wanted(onboarding: Onboarding) -> None:
    found = onboarding.choose(np.array([3, 4]), NOTHING, 9)
    assert sorted(found.movie_index.tolist()) == [3, 4]
    nothing = onboarding.choose(NOTHING, NOTHING, 9)
    assert [len(each) for each in nothing] == [0, 0, 0]


@pytest.mark.parametrize("groups", [(), ("statistics", "clock")])
def test_without_taste_the_most_rated_movies_come_first(
    ratings: RatingTable, movies: MovieTable, groups: tuple[str, ...]
) -> None:
    spec = FeatureSpec.fit(ratings, movies, groups)
    n_ratings = spec.profiles.counts(len(movies))
    found = Onboarding.of(spec, n_ratings).choose(np.arange(len(movies)), NOTHING, 5)
    most = np.argsort(-n_ratings, kind="stable")[:5]
    assert found.movie_index.tolist() == most.tolist()


def test_users_who_all_rate_alike_leave_nothing_to_ask(
    ratings: RatingTable, movies: MovieTable
) -> None:
    fours = replace(ratings, half_stars=np.full_like(ratings.half_stars, 8))
    spec = FeatureSpec.fit(fours, movies)
    n_ratings = spec.profiles.counts(len(movies))
    found = Onboarding.of(spec, n_ratings).choose(np.arange(len(movies)), NOTHING, 3)
    assert len(found.movie_index) == 3
    assert np.isfinite(found.gain).all()
