"""What JSON and JSON Lines have in common: how objects are read and written.

An object holds userId, movieId and perhaps timestamp. One with ``history``,
``recommend`` or ``onboarding`` is a question. Unknown fields are refused, because a
misspelt one would go unnoticed. A list such as ``[1, 318]`` holds the same values in
the order of CSV.
"""

from __future__ import annotations

from typing import Any

import orjson

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from movielens.tables import MovieTable
from serve.errors import error_body
from serve.fields import FIELDS, RULES, seconds, shown
from serve.formats.renderer import AnswerStyle, class_names, probabilities_as_json
from serve.onboarding import ToRate
from serve.predicted_rows import PredictedRows
from serve.question_answers import QuestionAnswer
from serve.questions import (
    MARKS,
    ONBOARDING,
    Question,
    check_fields,
    check_presence,
)
from serve.rows import Row

# The same for all movies that are recommended to a user, so it is said once.
_FIELDS_ABOUT_THE_USER = frozenset({USER_ID, "known_user", "known_movie"})


def read_record(line: int, record: Any) -> Row | Question:
    """Read one decoded object or list.

    Raises:
        RequestError: at the first field that is unknown, missing or bad.

    Example:
        >>> read_record(1, {"userId": 7, "movieId": 318})
        Row(user_id=7, movie_id=318, timestamp=nan)
        >>> read_record(1, [7, 318, 964982703])
        Row(user_id=7, movie_id=318, timestamp=964982703.0)
    """
    if isinstance(record, list):
        record = _by_name(line, record)
    if not isinstance(record, dict):
        expected = "an object with userId and movieId, or [userId, movieId]"
        raise RequestError.at(line, "the row", shown(record), expected)
    if any(mark in record for mark in MARKS):
        return Question.from_record(line, record)
    check_fields(line, record, RULES)
    check_presence(line, record, (USER_ID, MOVIE_ID))
    user_id = int(record[USER_ID])
    movie_id = int(record[MOVIE_ID])
    return Row(user_id, movie_id, seconds(record.get(TIMESTAMP)))


def _by_name(line: int, values: list[Any]) -> dict[str, Any]:
    """The values of a row by the fields whose places they have."""
    least = len(FIELDS) - 1
    if not least <= len(values) <= len(FIELDS):
        raise RequestError(
            f"line {line}: the row is a list of {len(values)}, "
            "expected [userId, movieId] or [userId, movieId, timestamp]"
        )
    return dict(zip(FIELDS, values, strict=False))


def render_rows(predicted: PredictedRows, style: AnswerStyle) -> list[bytes]:
    """An object a row."""
    del style  # it is about CSV
    return [orjson.dumps(record) for record in records_of(predicted)]


def render_answer(answer: QuestionAnswer, style: AnswerStyle) -> bytes:
    """An object: a prediction, or a user with a list of movies.

    Recommended movies have the fields of a prediction except for those about the user.
    """
    del style
    user_id = answer.question.user_id
    about_the_user = {USER_ID: user_id, "known_user": answer.knows_user}
    if answer.to_rate is not None:
        movies = _movies_to_rate(answer.rows.movies, answer.to_rate)
        return orjson.dumps(about_the_user | {ONBOARDING: movies})
    records = records_of(answer.rows)
    if answer.question.wanted is None:
        return orjson.dumps(records[0] | {USER_ID: user_id})
    movies = []
    for record in records:
        movie = {
            name: value
            for name, value in record.items()
            if name not in _FIELDS_ABOUT_THE_USER
        }
        movies.append(movie)
    return orjson.dumps(about_the_user | {"recommendations": movies})


def _movies_to_rate(movies: MovieTable, to_rate: ToRate) -> list[dict[str, Any]]:
    columns = zip(
        to_rate.movie_index.tolist(),
        to_rate.share.tolist(),
        to_rate.gain.tolist(),
        strict=True,
    )
    records = []
    for movie, share, gain in columns:
        record = {
            MOVIE_ID: int(movies.movie_id[movie]),
            "title": movies.title[movie],
            "genres": movies.genres[movie],
            "rated_share": share,
            "gain": gain,
        }
        records.append(record)
    return records


def render_fault(message: str) -> bytes:
    """The object that the body of a refusal has."""
    return error_body(400, message)


def records_of(rows: PredictedRows) -> list[dict[str, Any]]:
    """All that is known of each row."""
    movies = rows.movies
    predicted = rows.predicted
    names = class_names(predicted.class_values)
    # Reading them back gives Python floats that are written with the same digits.
    probabilities = orjson.loads(probabilities_as_json(predicted))
    columns = zip(
        rows.queries.user_id.tolist(),
        rows.queries.movie_id.tolist(),
        rows.movie_index.tolist(),
        predicted.class_index.tolist(),
        predicted.expected_rating.tolist(),
        probabilities,
        rows.knows_user.tolist(),
        strict=True,
    )
    records = []
    for user_id, movie_id, movie, rating, expected, distribution, is_known in columns:
        is_listed = movie >= 0
        record = {
            USER_ID: user_id,
            MOVIE_ID: movie_id,
            "title": movies.title[movie] if is_listed else None,
            "genres": movies.genres[movie] if is_listed else None,
            "rating": predicted.class_values[rating],
            "expected_rating": expected,
            "probabilities": dict(zip(names, distribution, strict=True)),
            "known_user": is_known,
            "known_movie": is_listed,
        }
        records.append(record)
    if rows.contributions is not None:
        for record, contributions in zip(records, rows.contributions, strict=True):
            record["contributions"] = contributions
    return records
