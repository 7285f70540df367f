from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from movielens.errors import RequestError
from serve.questions import Question, Rating, Wanted, may_be_slow


def test_a_question_with_a_history_is_read() -> None:
    history = [{"movieId": 7, "rating": 4}, {"movieId": 8, "rating": 0.5}]
    question = Question.from_record(1, {"movieId": 3, "history": history})
    assert question.user_id is None
    assert question.movie_id == 3
    assert question.wanted is None
    assert np.isnan(question.timestamp)
    assert question.history is not None
    assert [rating.rating for rating in question.history] == [4.0, 0.5]
    timed = {"movieId": 7, "rating": 4, "timestamp": 10}
    (rating,) = (
        Question.from_record(1, {"movieId": 3, "history": [timed]}).history or ()
    )
    assert rating == Rating(7, 4.0, 10.0)


def test_a_history_has_the_numbers_and_times_of_any_row() -> None:
    date = "2015-03-09T18:53:20Z"
    rated = {"movieId": 7.0, "rating": 4, "timestamp": date}
    record = {"userId": 1.0, "movieId": 3.0, "timestamp": date, "history": [rated]}
    question = Question.from_record(1, record)
    assert question == Question(1, 3, 1425927200.0, (Rating(7, 4, 1425927200.0),), None)
    twice = record | {"history": [rated, rated | {"movieId": 7}]}
    with pytest.raises(RequestError, match="movieId 7 is there twice"):
        Question.from_record(1, twice)


def test_fields_and_parameters_mean_the_same() -> None:
    fields = {"recommend": 3, "genres": ["comedy", "war"], "min_ratings": 2}
    parameters = {"recommend": "3", "genres": "comedy|war", "min_ratings": "2"}
    expected = Wanted(3, ("comedy", "war"), min_ratings=2)
    assert Wanted.from_fields(1, fields) == expected
    assert Wanted.from_parameters(parameters) == expected


def test_a_filter_that_is_null_is_no_filter() -> None:
    names = ("genres", "year_from", "year_to", "min_ratings")
    fields = {"recommend": 3} | dict.fromkeys(names)
    assert Wanted.from_fields(1, fields) == Wanted(3)


def test_movies_to_rate_may_be_asked_for_without_a_user() -> None:
    question = Question.from_record(1, {"onboarding": 10, "min_ratings": 3})
    assert question.user_id is None
    assert question.history is None
    assert question.wanted == Wanted(10, min_ratings=3, is_onboarding=True)


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"userId": 1, "recommend": 0},
        r"line 1: recommend is 0, expected how many movies, from 1 to 1000",
    ),
    ({"userId": 1, "recommend": True}, r"recommend is true"),
    ({"recommend": 1}, r"userId is missing, .* or a history"),
    ({"userId": "1", "recommend": 1}, r"userId is '1', .* as JSON numbers"),
    (
        {"userId": 1, "recommend": 1, "movieId": 1},
        r"unknown field 'movieId', expected some of userId, .*min_ratings",
    ),
    (
        {"userId": 1, "recommend": 1, "genres": "Comedy"},
        r"genres is 'Comedy', expected a list of genres",
    ),
    ({"userId": 1, "recommend": 1, "year_to": 1990.5}, r"year_to is 1990.5"),
    ({"userId": 1, "recommend": 1, "min_ratings": -1}, r"min_ratings is -1"),
    ({"onboarding": 101}, r"onboarding is 101, expected how many movies, .* to 100"),
    ({"onboarding": {"top": 10}}, r"onboarding is \{…\}, expected how many movies"),
    ({"onboarding": 1, "movieId": 1}, r"unknown field 'movieId'"),
    (
        {"userId": 1, "onboarding": 1, "recommend": 1},
        r"line 1: recommend and onboarding are two questions, send one of them",
    ),
    ({"userId": 1, "history": []}, r"movieId is missing"),
    ({"movieId": 1, "history": {}}, r"history is \{…\}, expected a list of objects"),
    (
        {"movieId": 1, "history": [7]},
        r"history\[0\] is 7, expected an object with movieId and rating",
    ),
    (
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3}] * 2},
        r"history\[1\].movieId 1 is there twice",
    ),
    (
        {"movieId": 1, "history": [{"movieId": "1", "rating": 3}]},
        r"history\[0\].movieId is '1', .* as JSON numbers",
    ),
    ({"movieId": 1, "history": [{"movieId": 1}]}, r"history\[0\].rating is missing"),
    (
        {"movieId": 1, "history": [{"movieId": 1, "rating": 6}]},
        r"history\[0\].rating is 6, expected stars",
    ),
    (
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3, "stars": 1}]},
        r"unknown field history\[0\].'stars'",
    ),
]


@pytest.mark.parametrize(("record", "message"), FAULTS)
def test_a_bad_question_is_refused(record: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Question.from_record(1, record)


def test_bodies_that_may_be_slow_are_recognised() -> None:
    question = b'{"userId": 1, "recommend": 1}'
    assert may_be_slow(question)
    assert may_be_slow(question.replace(b"recommend", b"\\u0072ecommend"))
    assert may_be_slow(b'{"movieId": 1, "history": []}')
    assert may_be_slow(b'{"onboarding": 1}')
    assert may_be_slow(b'{"instances": [], "parameters": {"contributions": 3}}')
    assert not may_be_slow(b'{"userId": 1, "movieId": 1}')
    assert not may_be_slow(b"recommend,history")
