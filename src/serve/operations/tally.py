"""What is counted of one request while it is answered.

A request has a tally only if the server was asked for metrics or for a log of requests.
It has numbers alone: no ids, no ratings.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from movielens.model import Model
from movielens.queries import RatingQueries

# The client hung up before it was answered. HTTP has no such status; nginx writes it.
GONE = 499

# Up to so many rows are looked up one by one. NumPy takes ten times as long for one.
_FEW_ROWS = 8


@dataclass(slots=True)
class Tally:
    """Counts of one request.

    Attributes:
        began: when its headers had come, in seconds by `time.perf_counter`.
        ended: when its answer was sent.
        status: of the answer; `GONE` until there is one.
        predictions: rows that asked for one rating.
        questions: rows that sent a history or asked for movies.
        bad_rows: rows of a batch that were answered with what is wrong with them.
        unknown_rows: predictions and questions whose user or movie isn't known.
        unknown_users: those whose user has no ratings, in training or in the history.
        unknown_movies: those whose movie isn't in the catalogue.
    """

    began: float = 0.0
    ended: float = 0.0
    status: int = GONE
    predictions: int = 0
    questions: int = 0
    bad_rows: int = 0
    unknown_rows: int = 0
    unknown_users: int = 0
    unknown_movies: int = 0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def unknown_share(self) -> float | None:
        """Unknown rows among those that were predicted; None if none was."""
        n_rows = self.predictions + self.questions
        return self.unknown_rows / n_rows if n_rows else None

    def count_queries(self, model: Model, queries: RatingQueries) -> None:
        """Rows that ask for one rating were predicted."""
        n_rows = len(queries)
        self.predictions += n_rows
        if n_rows > _FEW_ROWS:
            self._count_many(model, queries)
            return
        users = model.spec.users.ids.data
        movies = model.spec.movie_index.ids.data
        user_ids = queries.user_id.tolist()
        movie_ids = queries.movie_id.tolist()
        for user_id, movie_id in zip(user_ids, movie_ids, strict=True):
            knows_user = _is_among(users, user_id)
            knows_movie = _is_among(movies, movie_id)
            if not (knows_user and knows_movie):
                self._count_unknown(knows_user, knows_movie)

    def count_question(self, knows_user: bool, knows_movie: bool) -> None:
        """A question was answered."""
        self.questions += 1
        if not (knows_user and knows_movie):
            self._count_unknown(knows_user, knows_movie)

    def _count_unknown(self, knows_user: bool, knows_movie: bool) -> None:
        self.unknown_rows += 1
        self.unknown_users += not knows_user
        self.unknown_movies += not knows_movie

    def _count_many(self, model: Model, queries: RatingQueries) -> None:
        user_is_unknown = ~model.knows_user(queries.user_id)
        movie_is_unknown = model.movie_index(queries.movie_id) < 0
        self.unknown_rows += _count(user_is_unknown | movie_is_unknown)
        self.unknown_users += _count(user_is_unknown)
        self.unknown_movies += _count(movie_is_unknown)


def _is_among(ids: memoryview, wanted: int) -> bool:
    """Whether a number is among others, which rise."""
    place = bisect_left(ids, wanted)
    return place < len(ids) and ids[place] == wanted


def _count(values: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(values))
