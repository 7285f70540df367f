"""Questions that two ids can't ask: how a user who sends ratings along would rate a
movie, and a user's best movies.

They come as objects with ``history`` or ``recommend``, or as CSV of user ids below a
content type that says ``recommend``. Whatever of a question can be judged without a
model is judged here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from movielens.columns import GENRES_COLUMN, MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from serve.rows import EXPECTED, FIELDS, is_id, is_timestamp, shown

HISTORY, RECOMMEND = "history", "recommend"
YEAR_FROM, YEAR_TO, MIN_RATINGS = "year_from", "year_to", "min_ratings"
MOST_RECOMMENDED = 1000
_MOST = 2**31 - 1

FILTERS = (GENRES_COLUMN, YEAR_FROM, YEAR_TO, MIN_RATINGS)
_WITH_HISTORY = (*FIELDS, HISTORY)
_RECOMMENDING = (USER_ID, TIMESTAMP, HISTORY, RECOMMEND, *FILTERS)
_OF_A_RATING = (MOVIE_ID, RATING, TIMESTAMP)


class Rating(NamedTuple):
    """A rating that a user sends along; the timestamp is NaN where none was given."""

    movie_id: int
    rating: float
    timestamp: float


History = tuple[Rating, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which movies to recommend.

    Attributes:
        count: how many, 1 to `MOST_RECOMMENDED`.
        genres: a movie has one of them at least, in any case of letters; none for all
            movies.
        year_from, year_to: the first and the last year; movies without one are left out
            where either is given.
        min_ratings: how many ratings a movie has among the training rows, at least.
    """

    count: int
    genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    min_ratings: int = 0

    @classmethod
    def of(cls, line: int, fields: Mapping[str, Any]) -> Self:
        """Of the fields of a request.

        Raises:
            RequestError: at the first that isn't as it should be.
        """
        for name in (RECOMMEND, *FILTERS):
            if name in fields:
                _check(line, name, fields[name])
        return cls(
            fields[RECOMMEND],
            tuple(fields.get(GENRES_COLUMN) or ()),
            fields.get(YEAR_FROM),
            fields.get(YEAR_TO),
            fields.get(MIN_RATINGS) or 0,
        )

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, str]) -> Self:
        """Of the parameters of a content type, such as ``recommend=10;
        genres=Comedy|Drama``; raises as `of` does.
        """
        fields: dict[str, Any] = {}
        for name in (RECOMMEND, *FILTERS):
            if name in parameters:
                text = parameters[name]
                is_number = text.isascii() and text.isdecimal() and len(text) < 12
                fields[name] = (
                    text.split("|")
                    if name == GENRES_COLUMN
                    else int(text)
                    if is_number
                    else text
                )
        try:
            return cls.of(1, fields)
        except RequestError as error:
            raise RequestError(
                str(error).replace("line 1", "Content-Type", 1)
            ) from None


@dataclass(frozen=True, slots=True)
class Question:
    """A prediction for a user by a history, or, where ``wanted`` is there,
    recommendations.

    Attributes:
        user_id: None where none was given.
        movie_id: whose rating is asked; None of recommendations.
        timestamp: seconds since 1970, NaN where none was given.
        history: the user's own ratings, no movie twice, which stand in place of those
            that training knew; or None.
        wanted: of recommendations.
    """

    user_id: int | None
    movie_id: int | None
    timestamp: float
    history: History | None
    wanted: Wanted | None

    @classmethod
    def of(cls, line: int, record: Mapping[str, Any]) -> Self:
        """Of a decoded JSON object that has `HISTORY` or `RECOMMEND`.

        Raises:
            RequestError: at the first field that isn't as it should be.
        """
        recommending = RECOMMEND in record
        check_fields(line, record, _RECOMMENDING if recommending else _WITH_HISTORY)
        if not recommending and MOVIE_ID not in record:
            raise RequestError(
                f"line {line}: {MOVIE_ID} is missing, expected {EXPECTED[MOVIE_ID]}"
            )
        if HISTORY not in record and USER_ID not in record:
            raise RequestError(
                f"line {line}: {USER_ID} is missing, expected {EXPECTED[USER_ID]}, or a history"
            )
        return cls(
            record.get(USER_ID),
            record.get(MOVIE_ID),
            _seconds(record),
            _history(line, record[HISTORY]) if HISTORY in record else None,
            Wanted.of(line, record) if recommending else None,
        )


def check_fields(
    line: int, record: Mapping[str, Any], names: tuple[str, ...], whose: str = ""
) -> None:
    """Refuse fields of other names, since a misspelt one would go unnoticed, and values
    that can't be.

    Raises:
        RequestError: at the first; ``whose`` says where in the line it is.
    """
    for name, value in record.items():
        if name not in names:
            listed = ", ".join(names)
            raise RequestError(
                f"line {line}: unknown field {whose}{shown(name)!r}, expected some of {listed}"
            )
        _check(line, name, value, whose)


def _check(line: int, name: str, value: Any, whose: str = "") -> None:
    if not _IS_VALID[name](value):
        hint = (
            ", as JSON numbers" if isinstance(value, str) and name in EXPECTED else ""
        )
        raise RequestError.at(line, whose + name, shown(value), _EXPECTED[name] + hint)


def _history(line: int, entries: list[Any]) -> History:
    ratings: dict[int, Rating] = {}
    for place, entry in enumerate(entries):
        whose = f"{HISTORY}[{place}]."
        if not isinstance(entry, dict):
            raise RequestError.at(
                line, whose[:-1], shown(entry), "an object with movieId and rating"
            )
        check_fields(line, entry, _OF_A_RATING, whose)
        for name in (MOVIE_ID, RATING):
            if name not in entry:
                raise RequestError(
                    f"line {line}: {whose}{name} is missing, expected {_EXPECTED[name]}"
                )
        rating = Rating(entry[MOVIE_ID], float(entry[RATING]), _seconds(entry))
        if rating.movie_id in ratings:
            raise RequestError(
                f"line {line}: {whose}{MOVIE_ID} {rating.movie_id} stands twice, send its last rating"
            )
        ratings[rating.movie_id] = rating
    return tuple(ratings.values())


def _seconds(record: Mapping[str, Any]) -> float:
    timestamp = record.get(TIMESTAMP)
    return math.nan if timestamp is None else float(timestamp)


def _whole(low: int, high: int) -> Any:
    return lambda value: type(value) is int and low <= value <= high


def _or_null(is_valid: Any) -> Any:
    return lambda value: value is None or is_valid(value)


_IS_VALID: dict[str, Any] = {
    USER_ID: is_id,
    MOVIE_ID: is_id,
    TIMESTAMP: is_timestamp,
    RATING: lambda value: type(value) in (int, float) and 0 < value <= 5,
    HISTORY: lambda value: isinstance(value, list),
    RECOMMEND: _whole(1, MOST_RECOMMENDED),
    GENRES_COLUMN: _or_null(
        lambda value: (
            isinstance(value, list) and all(isinstance(name, str) for name in value)
        )
    ),
    YEAR_FROM: _or_null(_whole(0, 9999)),
    YEAR_TO: _or_null(_whole(0, 9999)),
    MIN_RATINGS: _or_null(_whole(0, _MOST)),
}
_EXPECTED = EXPECTED | {
    RATING: "stars, from 0.5 to 5",
    HISTORY: "a list of objects with movieId, rating and perhaps timestamp",
    RECOMMEND: f"how many movies, from 1 to {MOST_RECOMMENDED}",
    GENRES_COLUMN: "a list of genres, of which a movie has one at least",
    YEAR_FROM: "a year, such as 1990",
    YEAR_TO: "a year, such as 1999",
    MIN_RATINGS: "how many ratings a movie has at least",
}
