"""What is counted of one request while it is answered.

A request has a tally only if the server was asked for metrics or for a log of requests.
It has numbers alone, no ids and no ratings.
"""

from __future__ import annotations

from serve.operations._recorder import Counts

# The client hung up before it was answered. HTTP has no such status; nginx writes it.
GONE = 499


class Tally(Counts):
    """Counts of one request, all of them 0 at first.

    `Counts.count_predicted` counts the rows of a block that was predicted, from their
    number and what `movielens.queries.UnknownIds` says of them.

    Attributes:
        began: when its headers had come, in seconds by `time.perf_counter`.
        ended: when its answer was sent.
        status: of the answer; `GONE` until there is one.
        refused: the status with which the server has answered in the application's
            place; 0 if it hasn't.
        predictions: rows that asked for one rating.
        questions: rows that sent a history or asked for movies.
        bad_rows: rows of a batch that were answered with what is wrong with them.
        unknown_rows: predictions and questions whose user or movie isn't known.
        unknown_users: those whose user has no ratings, in training or in the history.
        unknown_movies: those whose movie isn't in the catalogue.
    """

    __slots__ = ()

    def count_question(self, knows_user: bool, knows_movie: bool) -> None:
        """A question was answered."""
        self.questions += 1
        self.unknown_rows += not (knows_user and knows_movie)
        self.unknown_users += not knows_user
        self.unknown_movies += not knows_movie
