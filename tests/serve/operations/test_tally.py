from __future__ import annotations

import json

import numpy as np

from movielens.model import Model
from movielens.queries import RatingQueries
from serve.endpoint import AnswerRules, answer
from serve.negotiation import RequestHeaders
from serve.operations.tally import Tally
from serve.predicted_rows import predict_rows
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
    single, few, many = Tally(), Tally(), Tally()
    for row in range(6):
        count(single, model, queries.take(np.array([row])))
    count(few, model, queries)
    for _ in range(4):
        count(many, model, queries.take(np.tile(np.arange(6), 4)))

    assert numbers_of(single) == numbers_of(few) == (6, 4, 3, 2)
    assert numbers_of(many) == tuple(16 * number for number in numbers_of(few))


def count(tally: Tally, model: Model, queries: RatingQueries) -> None:
    tally.count_predicted(len(queries), predict_rows(model, queries).unknown)


def numbers_of(tally: Tally) -> tuple[int, int, int, int]:
    return (
        tally.predictions,
        tally.unknown_rows,
        tally.unknown_users,
        tally.unknown_movies,
    )


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
