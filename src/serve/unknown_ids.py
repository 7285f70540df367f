"""Users and movies that training didn't know.

They are refused if the client asks for that with ``on_unknown=error``.
"""

from __future__ import annotations

import numpy as np

from movielens.columns import MOVIE_ID, USER_ID
from movielens.model import Model
from movielens.queries import RatingQueries
from serve.questions import Question
from serve.rows import Rows, at_row


def unknown_in_queries(model: Model, queries: RatingQueries) -> dict[int, str]:
    """What is wrong with each row whose user or movie is unknown, by row."""
    user_is_unknown = ~model.knows_user(queries.user_id)
    movie_is_unknown = model.movie_index(queries.movie_id) < 0
    messages = {}
    for row in np.flatnonzero(user_is_unknown | movie_is_unknown).tolist():
        if user_is_unknown[row]:
            messages[row] = _message(USER_ID, queries.user_id[row])
        else:
            messages[row] = _message(MOVIE_ID, queries.movie_id[row])
    return messages


def first_unknown(model: Model, rows: Rows, n_before: int) -> str | None:
    """What is wrong with the first row that has an unknown id, None if none has.

    ``n_before`` is how many rows come before these.
    """
    unknown = unknown_in_queries(model, rows.queries)
    if not unknown:
        return None
    row, message = next(iter(unknown.items()))
    place = rows.query_places()[row]
    return at_row(n_before + place, message)


def without_unknown(model: Model, rows: Rows, n_before: int) -> Rows:
    """The rows, those with unknown ids as faults.

    ``n_before`` is how many rows come before these.
    """
    unknown = unknown_in_queries(model, rows.queries)
    if not unknown:
        return rows
    places = rows.query_places()
    faults = dict(rows.faults)
    for row, message in unknown.items():
        faults[places[row]] = at_row(n_before + places[row], message)
    is_known = np.ones(len(rows.queries), dtype=np.bool_)
    is_known[list(unknown)] = False
    known = rows.queries.take(np.flatnonzero(is_known))
    return rows._replace(queries=known, faults=faults)


def unknown_in_question(
    model: Model, question: Question, knows_user: bool
) -> str | None:
    """What is unknown in a question, None if nothing is.

    A user with a history needs no ratings in training, but the movies of the history
    must be known. Who is asked for ratings may have no id.
    """
    has_id = question.user_id is not None
    if has_id and question.history is None and not knows_user:
        return _message(USER_ID, question.user_id)
    movie_ids = [rating.movie_id for rating in question.history or ()]
    if question.movie_id is not None:
        movie_ids.insert(0, question.movie_id)
    movie_index = model.movie_index(np.array(movie_ids, dtype=np.int64))
    for movie_id, index in zip(movie_ids, movie_index, strict=True):
        if index < 0:
            return _message(MOVIE_ID, movie_id)
    return None


def _message(name: str, value: object) -> str:
    return f"{name} {value} isn't known, and on_unknown=error was asked for"
