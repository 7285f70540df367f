"""Lists of movies to ask new users about, compared by what the answers are worth.

A simulated user is asked about the movies of a list in turn, and rates those that they
have rated in the data. The ratings are then sent along as the history. A list is judged
twice: after so many questions, whatever was answered, and after so many answers,
however many questions that took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from serve.onboarding import Onboarding

# Questions that a user is asked, and answers that are waited for.
ASKED = (10, 20, 40, 80)
ANSWERED = (3, 5, 10)
# Nobody is asked more often.
MOST_ASKED = 500

MOST_RATED = "most rated"
BY_VARIANCE = "most rated x variance"
FIXED = "onboarding"
AGAIN = "onboarding, again after each answer"

Places = NDArray[np.int64]
# From the places of the movies that a user can rate to those that are asked about, in
# their order.
Asks = Callable[[frozenset[int]], Iterable[int]]


class Stop(NamedTuple):
    """When a user is asked no more.

    Attributes:
        asked: after so many questions.
        answered: after so many answers.
    """

    asked: int = MOST_ASKED
    answered: int = MOST_ASKED

    @property
    def name(self) -> str:
        """As the table has it."""
        if self.answered < MOST_ASKED:
            return f"{self.answered} answers"
        return f"{self.asked} asked"


STOPS = (
    *(Stop(asked=count) for count in ASKED),
    *(Stop(answered=count) for count in ANSWERED),
)


class Answers(NamedTuple):
    """What came of asking a user.

    Attributes:
        n_asked: how many questions were asked.
        places: of the movies that the user rated, in the order of the questions.
    """

    n_asked: int
    places: tuple[int, ...]


def ask(asks: Iterable[int], known: frozenset[int], stop: Stop) -> Answers:
    """Ask a user until it stops; they rate the movies that they know.

    Example:
        >>> ask([7, 4, 9, 2], frozenset({4, 2}), Stop(answered=1))
        Answers(n_asked=2, places=(4,))
    """
    places: list[int] = []
    n_asked = 0
    for place in islice(asks, stop.asked):
        n_asked += 1
        if place in known:
            places.append(place)
        if len(places) == stop.answered:
            break
    return Answers(n_asked, tuple(places))


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists that are compared.

    Attributes:
        spec: fitted without the users who are asked.
        n_ratings: int64 (n_movies,), the number of ratings of each movie.
        onboarding: what the server chooses by.
    """

    spec: FeatureSpec
    n_ratings: Places
    onboarding: Onboarding

    @classmethod
    def of(cls, spec: FeatureSpec) -> Lists:
        """The lists of a fitted recipe."""
        n_ratings = spec.profiles.counts(len(spec.movies))
        return cls(spec, n_ratings, Onboarding.of(spec, n_ratings))

    def by_name(self) -> Mapping[str, Asks]:
        """All lists."""
        no_places = np.empty(0, dtype=np.int64)
        everything = np.arange(len(self.n_ratings))
        fixed = self.onboarding.choose(everything, no_places, MOST_ASKED)
        most_rated = self._sorted_by(self.n_ratings.astype(np.float64))
        by_variance = self._sorted_by(self.n_ratings * self._variance())
        chosen = fixed.movie_index.tolist()
        return {
            MOST_RATED: lambda _: most_rated,
            BY_VARIANCE: lambda _: by_variance,
            FIXED: lambda _: chosen,
            AGAIN: self._again,
        }

    def _sorted_by(self, worth: NDArray[np.float64]) -> list[int]:
        """The movies that are worth most first."""
        order: list[int] = np.argsort(-worth, kind="stable")[:MOST_ASKED].tolist()
        return order

    def _variance(self) -> NDArray[np.float64]:
        """Of each movie's ratings, shrunk towards that of all."""
        for group in self.spec.groups:
            if group.name == "statistics":
                std = group.tables()["movie"][:-1, 2]
                return np.asarray(std, dtype=np.float64) ** 2
        raise LookupError("the model has no statistics")

    def _again(self, known: frozenset[int]) -> Iterator[int]:
        """Choose anew whenever a movie was rated, and ask nothing twice."""
        left = np.ones(len(self.n_ratings), dtype=np.bool_)
        rated: list[int] = []
        waiting: list[int] = []
        while left.any():
            if not waiting:
                places = np.array(rated, dtype=np.int64)
                found = self.onboarding.choose(np.flatnonzero(left), places, 20)
                waiting = found.movie_index.tolist()
            place = waiting.pop(0)
            left[place] = False
            yield place
            if place in known:
                rated.append(place)
                waiting = []
