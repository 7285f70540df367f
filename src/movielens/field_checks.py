"""Which values each column may hold, for a whole column and for a single field.

`usable_rows` checks the numbers of many rows at once. `field_value` reads one field of
a text file, as `movielens.grammar` defines it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.grammar import parse_id, parse_number, parse_time
from movielens.ratings import HALF_STARS

# Numbers by column name.
Columns = dict[str, NDArray[Any]]
# The catalogue's raw movie ids, rising; None while the catalogue isn't known yet.
KnownMovies = NDArray[np.int32] | None

LARGEST_ID = 2**31 - 1
LARGEST_TIMESTAMP = 2**32 - 1

EXPECTED = {
    USER_ID: f"a whole number from 0 to {LARGEST_ID}",
    MOVIE_ID: f"a whole number from 0 to {LARGEST_ID}",
    RATING: "half stars from 0.5 to 5.0",
    TIMESTAMP: (
        f"seconds since 1970, at most {LARGEST_TIMESTAMP}, or a date in ISO 8601 "
        "(milliseconds: divide by 1000)"
    ),
}
_EXPECTED_KNOWN_MOVIE = "a movie that the movies file lists"
_WITH_UNKNOWN_MOVIES = "add the movies there, or drop the rows with on_bad_row=drop"

_BOUNDS = {
    USER_ID: (0, LARGEST_ID),
    MOVIE_ID: (0, LARGEST_ID),
    TIMESTAMP: (0, LARGEST_TIMESTAMP),
}
_STARS = frozenset(HALF_STARS)
_PARSERS: Mapping[str, Callable[[str], float]] = {
    USER_ID: parse_id,
    MOVIE_ID: parse_id,
    RATING: parse_number,
    TIMESTAMP: parse_time,
}


class UnknownMovieError(DataError):
    """A rating of a movie that the catalogue doesn't list."""


def usable_rows(columns: Columns, known: KnownMovies) -> NDArray[np.bool_]:
    """Whether all values of each row can be used, bool (n_rows,).

    Args:
        columns: numbers by column name, each (n_rows,).
        known: the movies that may be rated.
    """
    usable = np.ones(len(columns[USER_ID]), dtype=np.bool_)
    for column, values in columns.items():
        usable &= _usable_values(column, values, known)
    return usable


def _usable_values(
    column: str, values: NDArray[Any], known: KnownMovies
) -> NDArray[np.bool_]:
    if column == RATING:
        usable = (values >= 0.5) & (values <= 5)
        # In floats, because a byte would overflow. Others may be too large to double.
        half_stars = 2.0 * np.where(usable, values, 0.0)
        return np.asarray(usable & (half_stars == np.floor(half_stars)))

    low, high = _BOUNDS[column]
    if column == TIMESTAMP:
        # The fraction of a second is cut off later.
        return np.asarray((values >= low) & (values < high + 1))

    is_whole = values == np.floor(values)
    usable = (values >= low) & (values <= high) & is_whole
    if column == MOVIE_ID and known is not None:
        usable &= np.isin(values, known)
    return np.asarray(usable)


def field_value(column: str, text: str) -> float:
    """The number that a field says; NaN if the column may not hold it.

    Example:
        >>> field_value("rating", "3.5"), field_value("rating", "3.7")
        (3.5, nan)
        >>> field_value("userId", "12"), field_value("userId", "1e3")
        (12, nan)
    """
    try:
        value = _PARSERS[column](text)
    except ValueError:
        return math.nan
    return value if _is_usable(column, value) else math.nan


def _is_usable(column: str, value: float) -> bool:
    # As an array of one value, a field would take ten times as long to check.
    if column == RATING:
        return value in _STARS
    low, high = _BOUNDS[column]
    return low <= value < high + 1


def is_usable_text(column: str, text: str) -> bool:
    """Whether a field's text is a value that the column may hold.

    Example:
        >>> is_usable_text("rating", "3.5"), is_usable_text("rating", "3.7")
        (True, False)
    """
    return not math.isnan(field_value(column, text))


def value_error(name: str, place: str, column: str, value: str) -> DataError:
    """The error for a value that can't be used.

    Args:
        name: of the file.
        place: where in the file, such as ``line 3``.
        column: the column's name.
        value: as text. A movie id that would be usable is one that isn't known.
    """
    is_unknown_movie = column == MOVIE_ID and is_usable_text(MOVIE_ID, value)
    if is_unknown_movie:
        expected = f"{_EXPECTED_KNOWN_MOVIE}: {_WITH_UNKNOWN_MOVIES}"
        return UnknownMovieError.at(name, place, column, value, expected)
    return DataError.at(name, place, column, value, EXPECTED[column])


def counted(error: DataError, name: str, n_unknown: int) -> DataError:
    """The same error; says how many rows of the file rate movies that aren't known.

    Example:
        >>> error = value_error("r.csv", "line 3", "movieId", "9")
        >>> print(counted(error, "r.csv", 41))  # doctest: +ELLIPSIS
        r.csv line 3: movieId is '9', ... on_bad_row=drop (41 such rows in r.csv)
    """
    rows = "row" if n_unknown == 1 else "rows"
    return DataError(f"{error} ({n_unknown} such {rows} in {name})")


def row_error(
    name: str, place: str, columns: Columns, row: int, known: KnownMovies
) -> DataError:
    """The error for the first value of a bad row that can't be used."""
    for column, values in columns.items():
        value = values[row : row + 1]
        if not _usable_values(column, value, known)[0]:
            return value_error(name, place, column, str(values[row]))
    raise ValueError(f"{name} {place} has no value that can't be used")
