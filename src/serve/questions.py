"""Questions that go beyond "how would this user rate this movie?".

There are three: how a user who sends their own ratings would rate a movie, which movies
a user would like best, and which a user should be asked to rate first. They come as
JSON objects with ``history``, ``recommend`` or ``onboarding``, or as CSV rows of user
ids under a content type with one of the latter two.

This module checks all that can be checked without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from movielens.columns import GENRES_COLUMN, MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import RequestError
from serve.fields import FIELDS, RULES, FieldRule, is_whole, seconds, shown
from serve.options import CONTRIBUTIONS

HISTORY = "history"
RECOMMEND = "recommend"
ONBOARDING = "onboarding"
YEAR_FROM = "year_from"
YEAR_TO = "year_to"
MIN_RATINGS = "min_ratings"
FILTERS = (GENRES_COLUMN, YEAR_FROM, YEAR_TO, MIN_RATINGS)
# What makes a JSON object a question.
MARKS = (RECOMMEND, ONBOARDING, HISTORY)

MOST_RECOMMENDED = 1000
MOST_TO_RATE = 100
# In the bytes of a body.
_SIGNS_OF_WORK = (
    *(mark.encode() for mark in MARKS),
    CONTRIBUTIONS.encode(),
    b"\\",
)
_LAST_YEAR = 9999
_MOST_RATINGS = 2**31 - 1
# Of a number in a content type; longer ones are out of range for every field.
_MOST_DIGITS = 11


class Rating(NamedTuple):
    """A rating that a request brings along.

    Attributes:
        movie_id: raw MovieLens id.
        rating: stars.
        timestamp: seconds since 1970, NaN if none was given.
    """

    movie_id: int
    rating: float
    timestamp: float


History = tuple[Rating, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which movies to recommend, or to ask the user about.

    Attributes:
        count: how many, 1 to `MOST_RECOMMENDED` or `MOST_TO_RATE`.
        genres: only movies with at least one of these, upper or lower case; all movies
            if there are none.
        year_from, year_to: only movies from these years, both included. If either is
            given, movies without a year are left out.
        min_ratings: only movies with at least this many ratings in training.
        is_onboarding: whether they are movies to ask the user about.
    """

    count: int
    genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    min_ratings: int = 0
    is_onboarding: bool = False

    @classmethod
    def from_fields(cls, line: int, fields: Mapping[str, Any]) -> Self:
        """Read the fields of a JSON object; others are ignored.

        Raises:
            RequestError: at the first value that its field doesn't take, or if there
                are both `RECOMMEND` and `ONBOARDING`.
        """
        asked = [name for name in (RECOMMEND, ONBOARDING) if name in fields]
        if len(asked) > 1:
            raise RequestError(
                f"line {line}: {RECOMMEND} and {ONBOARDING} are two questions, "
                "send one of them"
            )
        for name in (*asked, *FILTERS):
            if name in fields:
                rule = _RULES[name]
                if not rule.accepts(fields[name]):
                    raise _bad_value(line, name, fields[name], rule)
        return cls(
            count=int(fields[asked[0]]),
            genres=tuple(fields.get(GENRES_COLUMN) or ()),
            year_from=_whole_or_none(fields, YEAR_FROM),
            year_to=_whole_or_none(fields, YEAR_TO),
            min_ratings=_whole_or_none(fields, MIN_RATINGS) or 0,
            is_onboarding=ONBOARDING in fields,
        )

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Self:
        """Read the parameters of a content type.

        Raises:
            RequestError: as `from_fields`.

        Example:
            >>> given = {"recommend": "10", "genres": "comedy|drama"}
            >>> Wanted.from_parameters(given).genres
            ('comedy', 'drama')
        """
        fields: dict[str, Any] = {}
        for name in (RECOMMEND, ONBOARDING, *FILTERS):
            if name in parameters:
                fields[name] = _typed(name, parameters[name])
        try:
            return cls.from_fields(1, fields)
        except RequestError as error:
            message = str(error).replace("line 1", "Content-Type", 1)
            raise RequestError(message) from None


def _whole_or_none(fields: Mapping[str, Any], name: str) -> int | None:
    """A checked whole number, such as 318 or 318.0; None if it is null or missing."""
    value = fields.get(name)
    return None if value is None else int(value)


def _typed(name: str, text: str) -> Any:
    """A parameter as the JSON value that means the same."""
    if name == GENRES_COLUMN:
        return text.split("|")
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    return text


@dataclass(frozen=True, slots=True)
class Question:
    """A request for movies, or for a prediction that a history is part of.

    Attributes:
        user_id: None if none was given.
        movie_id: the movie whose rating is predicted; None if movies are wanted.
        timestamp: seconds since 1970, NaN if none was given.
        history: the user's own ratings, each movie once. They take the place of the
            ratings that training had of this user. None if the request has none.
        wanted: which movies; None for a prediction.
    """

    user_id: int | None
    movie_id: int | None
    timestamp: float
    history: History | None
    wanted: Wanted | None

    @classmethod
    def from_record(cls, line: int, record: Mapping[str, Any]) -> Self:
        """Read a decoded JSON object that has one of `MARKS`.

        Raises:
            RequestError: at the first field that is unknown, missing or bad.
        """
        is_onboarding = ONBOARDING in record
        wants_movies = is_onboarding or RECOMMEND in record
        if wants_movies:
            check_fields(line, record, _RULES_OF_WANTED)
        else:
            check_fields(line, record, _RULES_WITH_HISTORY)
            check_presence(line, record, (MOVIE_ID,))
        # Anybody can be asked for ratings.
        if HISTORY not in record and not is_onboarding:
            check_presence(line, record, (USER_ID,), alternative=", or a history")
        history = _history(line, record[HISTORY]) if HISTORY in record else None
        return cls(
            user_id=_whole_or_none(record, USER_ID),
            movie_id=_whole_or_none(record, MOVIE_ID),
            timestamp=seconds(record.get(TIMESTAMP)),
            history=history,
            wanted=Wanted.from_fields(line, record) if wants_movies else None,
        )


def may_be_slow(body: bytes) -> bool:
    """Whether a body may ask for more than predictions.

    Always true if it does, rarely otherwise. This is a quick look at bytes. A JSON name
    is in quotes, and it may be written with escapes.
    """
    if b'"' not in body:
        return False
    return any(sign in body for sign in _SIGNS_OF_WORK)


def check_fields(
    line: int,
    record: Mapping[str, Any],
    rules: Mapping[str, FieldRule],
    prefix: str = "",
) -> None:
    """Check that a JSON object has no other fields than these, and good values.

    Unknown fields are refused because a misspelt one would go unnoticed. ``prefix``
    goes before the names of fields in messages.

    Raises:
        RequestError: at the first bad field.
    """
    for name, value in record.items():
        rule = rules.get(name)
        if rule is None:
            raise RequestError(
                f"line {line}: unknown field {prefix}{shown(name)!r}, "
                f"expected some of {', '.join(rules)}"
            )
        if not rule.accepts(value):
            raise _bad_value(line, prefix + name, value, rule)


def check_presence(
    line: int,
    record: Mapping[str, Any],
    names: tuple[str, ...],
    prefix: str = "",
    alternative: str = "",
) -> None:
    """Check that a JSON object has these fields.

    Raises:
        RequestError: at the first that is missing.
    """
    for name in names:
        if name not in record:
            raise RequestError(
                f"line {line}: {prefix}{name} is missing, "
                f"expected {_RULES[name].expected}{alternative}"
            )


def _bad_value(line: int, name: str, value: Any, rule: FieldRule) -> RequestError:
    expected = rule.expected
    if isinstance(value, str) and rule in (RULES[USER_ID], RULES[MOVIE_ID]):
        expected += ", as JSON numbers"
    return RequestError.at(line, name, shown(value), expected)


def _history(line: int, entries: list[Any]) -> History:
    ratings: dict[int, Rating] = {}
    for place, entry in enumerate(entries):
        where = f"{HISTORY}[{place}]"
        if not isinstance(entry, dict):
            expected = "an object with movieId and rating"
            raise RequestError.at(line, where, shown(entry), expected)
        prefix = f"{where}."
        check_fields(line, entry, _RULES_OF_A_RATING, prefix)
        check_presence(line, entry, (MOVIE_ID, RATING), prefix)
        movie_id = int(entry[MOVIE_ID])
        if movie_id in ratings:
            raise RequestError(
                f"line {line}: {prefix}{MOVIE_ID} {movie_id} is there twice, "
                "send only the user's last rating of a movie"
            )
        stars = float(entry[RATING])
        ratings[movie_id] = Rating(movie_id, stars, seconds(entry.get(TIMESTAMP)))
    return tuple(ratings.values())


def _is_stars(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= 5


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_genres_or_null(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _whole_number(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: is_whole(value) and low <= value <= high


def _or_null(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or accepts(value)


_is_year_or_null = _or_null(_whole_number(0, _LAST_YEAR))

_RULES: dict[str, FieldRule] = {
    **RULES,
    RATING: FieldRule(_is_stars, "stars, from 0.5 to 5"),
    HISTORY: FieldRule(
        _is_list, "a list of objects with movieId, rating and perhaps timestamp"
    ),
    RECOMMEND: FieldRule(
        _whole_number(1, MOST_RECOMMENDED),
        f"how many movies, from 1 to {MOST_RECOMMENDED}",
    ),
    ONBOARDING: FieldRule(
        _whole_number(1, MOST_TO_RATE),
        f"how many movies, from 1 to {MOST_TO_RATE}",
    ),
    GENRES_COLUMN: FieldRule(
        _is_genres_or_null, "a list of genres; a movie needs at least one of them"
    ),
    YEAR_FROM: FieldRule(_is_year_or_null, "a year, such as 1990"),
    YEAR_TO: FieldRule(_is_year_or_null, "a year, such as 1999"),
    MIN_RATINGS: FieldRule(
        _or_null(_whole_number(0, _MOST_RATINGS)),
        "the least number of ratings that a movie has",
    ),
}


def _rules_of(*names: str) -> dict[str, FieldRule]:
    return {name: _RULES[name] for name in names}


_RULES_WITH_HISTORY = _rules_of(*FIELDS, HISTORY)
_RULES_OF_WANTED = _rules_of(USER_ID, TIMESTAMP, *MARKS, *FILTERS)
_RULES_OF_A_RATING = _rules_of(MOVIE_ID, RATING, TIMESTAMP)
