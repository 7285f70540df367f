"""What is counted of one request while it is answered.

A request has a tally only if the server was asked for metrics or for a log of requests.
It has numbers alone, no ids and no ratings, but for one row: a request that asks for
one rating keeps its ids until they are looked up, with those of other requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.model import Model
from movielens.queries import RatingQueries
from serve.asgi import Scope

# The client hung up before it was answered. HTTP has no such status; nginx writes it.
GONE = 499

Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]


@dataclass
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
        model: what has predicted a row that isn't looked up yet, which is the only one.
        user_id: of this row.
        movie_id: of this row.
        path: of the request, once it is over.
        scope: of the request, if its line in the log needs it.
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
    model: Model | None = None
    user_id: int = 0
    movie_id: int = 0
    path: str = ""
    scope: Scope | None = None

    @classmethod
    def begin(cls, began: float) -> Self:
        """The tally of a request that begins.

        What is still as it was by default is read from the class, so nothing else has
        to be written.
        """
        tally = cls.__new__(cls)
        tally.began = began
        return tally

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
        n_rows = len(queries.user_id)
        if n_rows == 1 and not self.predictions:
            self.predictions = 1
            self.model = model
            self.user_id = queries.user_id.item()
            self.movie_id = queries.movie_id.item()
            return
        self.predictions += n_rows
        self._look_up(model, queries.user_id, queries.movie_id)

    def count_question(self, knows_user: bool, knows_movie: bool) -> None:
        """A question was answered."""
        self.questions += 1
        if not (knows_user and knows_movie):
            self._count_unknown(knows_user, knows_movie)

    def _count_unknown(self, knows_user: bool, knows_movie: bool) -> None:
        self.unknown_rows += 1
        self.unknown_users += not knows_user
        self.unknown_movies += not knows_movie

    def _look_up(self, model: Model, user_id: Ids, movie_id: Ids) -> None:
        user_is_unknown = ~model.knows_user(user_id)
        movie_is_unknown = model.movie_index(movie_id) < 0
        self.unknown_rows += _count(user_is_unknown | movie_is_unknown)
        self.unknown_users += _count(user_is_unknown)
        self.unknown_movies += _count(movie_is_unknown)


def settle(tallies: Sequence[Tally]) -> None:
    """Look up the rows that tallies keep, of all requests to a model at once."""
    by_model: dict[int, list[Tally]] = {}
    for tally in tallies:
        if tally.model is not None:
            by_model.setdefault(id(tally.model), []).append(tally)
    for of_model in by_model.values():
        model = of_model[0].model
        assert model is not None
        _settle(of_model, model)


def _settle(tallies: Sequence[Tally], model: Model) -> None:
    user_id = np.array([tally.user_id for tally in tallies], dtype=np.int64)
    movie_id = np.array([tally.movie_id for tally in tallies], dtype=np.int64)
    user_is_unknown = ~model.knows_user(user_id)
    movie_is_unknown = model.movie_index(movie_id) < 0

    for row in np.flatnonzero(user_is_unknown | movie_is_unknown).tolist():
        knows_user = not user_is_unknown[row]
        knows_movie = not movie_is_unknown[row]
        tallies[row]._count_unknown(knows_user, knows_movie)
    for tally in tallies:
        tally.model = None


def _count(values: Flags) -> int:
    return int(np.count_nonzero(values))
