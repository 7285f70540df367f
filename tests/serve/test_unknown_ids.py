from __future__ import annotations

import numpy as np
import pytest

from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from serve.questions import Question, Rating, Wanted
from serve.unknown_ids import unknown_in_queries, unknown_in_question

NOBODY = 10**9
NO_MOVIE = 10**8


def test_rows_name_their_first_unknown_id(model: Model, ratings: RatingTable) -> None:
    user, movie = int(ratings.user_id[0]), int(ratings.movie_id[0])
    queries = RatingQueries(
        np.array([user, NOBODY, user, NOBODY]),
        np.array([movie, movie, NO_MOVIE, NO_MOVIE]),
        np.full(4, np.nan),
    )
    messages = unknown_in_queries(model, queries)
    assert list(messages) == [1, 2, 3]
    assert messages[1].startswith(f"userId {NOBODY} isn't known")
    assert messages[2].startswith(f"movieId {NO_MOVIE} isn't known")
    assert messages[3] == messages[1]


@pytest.mark.parametrize(
    ("history", "movie_id", "message"),
    [
        (None, None, f"userId {NOBODY} isn't known"),
        ((), None, ""),
        ((Rating(NO_MOVIE, 5.0, np.nan),), None, f"movieId {NO_MOVIE} isn't known"),
        ((), NO_MOVIE, f"movieId {NO_MOVIE} isn't known"),
    ],
)
def test_a_history_needs_known_movies_and_no_known_user(
    model: Model,
    history: tuple[Rating, ...] | None,
    movie_id: int | None,
    message: str,
) -> None:
    wanted = Wanted(1) if movie_id is None else None
    question = Question(NOBODY, movie_id, np.nan, history, wanted)
    found = unknown_in_question(model, question, knows_user=False)
    assert (found or "").partition(",")[0] == message
