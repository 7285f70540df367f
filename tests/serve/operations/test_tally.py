from __future__ import annotations

import json

import numpy as np
import pytest

from movielens.model import Model
from movielens.queries import RatingQueries
from serve.endpoint import AnswerRules, answer
from serve.negotiation import RequestHeaders
from serve.operations.tally import Tally, settle
from serve.served_model import ServedModel

JSON = RequestHeaders("application/json")
CSV = RequestHeaders("text/csv")
BATCH = AnswerRules(lenient=True)
NOBODY = 10**12


def test_unknown_ids_are_counted_alike_in_few_rows_and_in_many(model: Model) -> None:
    known_movie = int(model.movies.movie_id[0])
    first_user, last_user = model.spec.users.ids[[0, -1]].tolist()
    user_id = np.array([first_user, last_user, NOBODY, -1, first_user, NOBODY])
    movie_id = np.array([known_movie] * 4 + [NOBODY, -1])
    queries = RatingQueries(user_id, movie_id, np.full(6, np.nan))
    few, many = Tally(), Tally()
    few.count_queries(model, queries)
    for _ in range(4):
        many.count_queries(model, queries.take(np.tile(np.arange(6), 4)))

    found = (few.predictions, few.unknown_rows, few.unknown_users, few.unknown_movies)
    assert found == (6, 4, 3, 2)
    for name in ("predictions", "unknown_rows", "unknown_users", "unknown_movies"):
        assert getattr(many, name) == 16 * getattr(few, name)
    assert few.unknown_share == many.unknown_share == pytest.approx(4 / 6)


def test_single_rows_of_several_requests_are_looked_up_together(
    model: Model, small_model: Model
) -> None:
    movie = int(model.movies.movie_id[0])
    user = int(model.spec.users.ids[0])

    def asked(user_id: int, movie_id: int) -> RatingQueries:
        return RatingQueries(np.array([user_id]), np.array([movie_id]), np.zeros(1))

    tallies = [Tally() for _ in range(5)]
    tallies[0].count_queries(model, asked(user, movie))
    tallies[1].count_queries(small_model, asked(user, NOBODY))
    tallies[2].count_queries(model, asked(NOBODY, movie))
    tallies[3].count_queries(model, asked(NOBODY, NOBODY))
    tallies[3].count_queries(model, asked(user, NOBODY))
    assert not any(each.unknown_users for each in tallies)

    settle(tallies)
    settle(tallies)  # what was looked up isn't counted again
    names = ("predictions", "unknown_rows", "unknown_users", "unknown_movies")
    found = [tuple(getattr(each, name) for name in names) for each in tallies]
    assert found == [
        (1, 0, 0, 0),
        (1, 1, 0, 1),
        (1, 1, 1, 0),
        (2, 2, 1, 2),
        (0, 0, 0, 0),
    ]
    assert all(each.model is None for each in tallies)


def test_a_share_of_no_rows_is_none() -> None:
    assert Tally().unknown_share is None


def test_plain_rows_are_counted(served: ServedModel) -> None:
    tally = Tally()
    movie = served.model.movies.movie_id[0]
    answer(served, CSV, f"1,{movie}\n{NOBODY},{movie}".encode(), tally=tally)
    assert (tally.predictions, tally.unknown_rows, tally.unknown_users) == (2, 1, 1)


def test_questions_are_counted_by_what_is_known_of_them(served: ServedModel) -> None:
    movie = int(served.model.movies.movie_id[0])
    history = [{"movieId": movie, "rating": 4}]
    rows = [
        {"userId": 1, "movieId": movie},
        {"userId": 1, "recommend": 3},
        {"userId": NOBODY, "recommend": 3},
        {"movieId": movie, "history": history},
        {"movieId": NOBODY, "history": history},
    ]
    tally = Tally()
    answer(served, JSON, json.dumps(rows).encode(), tally=tally)
    settle([tally])
    assert (tally.predictions, tally.questions) == (1, 4)
    unknown = (tally.unknown_rows, tally.unknown_users, tally.unknown_movies)
    assert unknown == (2, 1, 1)


def test_bad_rows_of_a_batch_are_counted(served: ServedModel) -> None:
    tally = Tally()
    answer(served, CSV, b"1,2\n1,x\n\n3,4", BATCH, tally)
    assert (tally.predictions, tally.bad_rows) == (2, 2)


def test_a_question_that_cant_be_answered_is_a_bad_row(served: ServedModel) -> None:
    lines = RequestHeaders("application/jsonlines")
    body = b'{"userId": 1, "recommend": 3, "genres": ["no such genre"]}\n[1, 2]'
    tally = Tally()
    answer(served, lines, body, BATCH, tally)
    assert (tally.predictions, tally.questions, tally.bad_rows) == (1, 0, 1)


def test_rows_of_an_answer_that_is_made_twice_count_once(served: ServedModel) -> None:
    tally = Tally()
    rules = AnswerRules(short_bytes=0, block_rows=2)
    response = answer(served, CSV, b"1,2\n1,3\n1,4\n1,5\n1,6", rules, tally)
    assert response.more is not None
    response.measured().whole()
    assert tally.predictions == 5
