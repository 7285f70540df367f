"""Which movies a user should be asked to rate first.

A rating tells something of its user. How much it tells follows from what training
learnt of movies and users. Where noise is normal, what a linear model leaves uncertain
doesn't depend on the stars that are given (MacKay 1992).

1. A user is a vector of weights, each normal with variance 1. A rating is what the
   movie leads one to expect, its terms times the weights, and noise.
2. The ratings that the user has are taken in.
3. The gain of a movie is what its rating takes from the variance of the user's opinions
   of all movies, each weighted by its raters. The most of it is an A-optimal design.
4. The movie with the highest gain times share of raters comes next. It is taken in by
   that share, because somebody who doesn't know it won't rate it. The next movie is
   found by 3 again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.features.taste import Taste

Indexes = NDArray[np.int64]
Matrix = NDArray[np.float64]

# The movies with the most raters. Others wouldn't be among the first anyway.
_MOST_CANDIDATES = 1000
_LEAST_TOTAL = 1e-6

# The last digits of a product of matrices depend on the machine and its threads. So a
# gain is rounded to this many digits.
_DIGITS = 6

# An artifact may hold any numbers. Within these bounds, weights can be found.
_LEAST_NOISE = 1e-4
_MOST_STARS = 5.0


class ToRate(NamedTuple):
    """Movies to rate, the one that is worth most first.

    Attributes:
        movie_index: int64 (n_movies,), places in the catalogue.
        share: float64 (n_movies,), the share of training's users who rated the movie.
        gain: float64 (n_movies,), what its rating is expected to take from the mean
            variance of the user's opinions, in squared stars, after those before it.
    """

    movie_index: Indexes
    share: Matrix
    gain: Matrix


@dataclass(frozen=True, eq=False)
class Onboarding:
    """What the rating of each movie tells of its user.

    Attributes:
        terms: float64 (n_movies, n_terms), what each weight adds to the user's opinion
            of each movie, in stars.
        noise: variance of ratings, as far as weights don't explain them.
        share: float64 (n_movies,), the share of training's users who rated the movie.
        common: float64 (n_terms, n_terms), the mean product of a movie's terms, each
            movie weighted by its share.
    """

    terms: Matrix
    noise: float
    share: Matrix
    common: Matrix

    @classmethod
    def of(cls, spec: FeatureSpec, n_ratings: Indexes) -> Self:
        """Of a fitted recipe, from the variances that it found.

        The weights are the user's bias and those of taste. If the model has no taste,
        only the bias is left, and movies differ by their raters alone.

        Args:
            spec: the recipe.
            n_ratings: int64 (n_movies,), the number of ratings of each movie.
        """
        bias = spec.bias
        n_users = max(len(spec.users), 1)
        n_movies = len(n_ratings)

        bias_variance = float((bias.user**2).sum()) / n_users
        terms = np.full((n_movies, 1), np.sqrt(bias_variance))
        # The shrinkage of a bias is the noise in units of the bias's variance.
        noise = bias_variance * bias.user_shrinkage
        for group in spec.groups:
            if isinstance(group, Taste):
                deviation = np.sqrt(np.maximum(group.variance[:-1], 0))
                of_taste = group.movie[:-1] * deviation
                terms = np.hstack([terms, of_taste])
                noise = float(group.variance[-1])

        # What is no number says nothing.
        terms = np.nan_to_num(terms).clip(-_MOST_STARS, _MOST_STARS)
        share = n_ratings / n_users
        weighted = terms * share[:, None]
        total = max(float(share.sum()), _LEAST_TOTAL)
        return cls(
            terms=terms,
            noise=noise if noise > _LEAST_NOISE else _LEAST_NOISE,
            share=share,
            common=terms.T @ weighted / total,
        )

    def choose(self, candidates: Indexes, rated: Indexes, count: int) -> ToRate:
        """The movies to ask a user about, up to ``count``.

        Args:
            candidates: places of the movies to choose from, rising.
            rated: places of the movies that the user has rated.
            count: how many.
        """
        by_raters = np.argsort(-self.share[candidates], kind="stable")
        candidates = candidates[by_raters[:_MOST_CANDIDATES]]
        terms = self.terms[candidates]
        share = self.share[candidates]

        # What opinions have in common with each weight, and with opinions in general.
        told = terms @ self._covariance(rated)
        shared = told @ self.common
        is_left = np.ones(len(candidates), dtype=np.bool_)
        chosen: list[int] = []
        gains: list[float] = []
        for _ in range(min(count, len(candidates))):
            variance = (told * terms).sum(axis=1) + self.noise
            # Rounding may leave a little less than nothing.
            gain = np.maximum((shared * told).sum(axis=1), 0.0) / variance
            # In 32 bits, movies are worth the same if only rounding parts them.
            worth = (gain * share).astype(np.float32)
            best = int(np.where(is_left, worth, -1).argmax())
            chosen.append(best)
            gains.append(_rounded(float(gain[best])))
            is_left[best] = False

            known = (terms @ told[best]) * (share[best] / variance[best])
            told, shared = (
                told - np.outer(known, told[best]),
                shared - np.outer(known, shared[best]),
            )
        places = np.array(chosen, dtype=np.int64)
        return ToRate(candidates[places], share[places], np.array(gains))

    def _covariance(self, rated: Indexes) -> Matrix:
        """Of the weights of a user who has rated these movies."""
        terms = self.terms[rated]
        precision = np.eye(self.terms.shape[1]) + terms.T @ terms / self.noise
        return np.asarray(np.linalg.inv(precision), dtype=np.float64)


def _rounded(number: float) -> float:
    """The number with `_DIGITS` digits."""
    return float(f"{number:.{_DIGITS}g}")
