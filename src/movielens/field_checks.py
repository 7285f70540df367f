"""Which values each column may hold, for a whole column and for a single field.

`usable_rows` checks the numbers of many rows at once. `is_usable_text` checks one field
of a text file, where a bad row has to be located.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.ratings import HALF_STARS

# Numbers by column name.
Columns = dict[str, NDArray[Any]]
# The catalogue's raw movie ids, rising; None while the catalogue isn't known yet.
KnownMovies = NDArray[np.int32] | None

LARGEST_ID = 2**31 - 1
LARGEST_TIMESTAMP = 2**32 - 1

EXPECTED = {
    USER_ID: f"a whole number from 1 to {LARGEST_ID}",
    MOVIE_ID: f"a whole number from 1 to {LARGEST_ID}",
    RATING: "half stars from 0.5 to 5.0",
    TIMESTAMP: (
        f"whole seconds since 1970, at most {LARGEST_TIMESTAMP} "
        "(milliseconds: divide by 1000)"
    ),
}
_EXPECTED_KNOWN_MOVIE = (
    "a movie that the movies file lists: add it there, or drop the row"
)

_BOUNDS = {
    USER_ID: (1, LARGEST_ID),
    MOVIE_ID: (1, LARGEST_ID),
    TIMESTAMP: (0, LARGEST_TIMESTAMP),
}
_STARS = frozenset(HALF_STARS)
_WHOLE_NUMBER = re.compile(r"\s*-?[0-9]+\s*")
_DECIMAL_NUMBER = re.compile(r"\s*-?[0-9]+(\.[0-9]*)?\s*")


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
        # In floats, because a byte would overflow.
        half_stars = 2.0 * values
        is_whole = half_stars == np.floor(half_stars)
        return np.asarray((half_stars >= 1) & (half_stars <= 10) & is_whole)

    low, high = _BOUNDS[column]
    is_whole = values == np.floor(values)
    usable = (values >= low) & (values <= high) & is_whole
    if column == MOVIE_ID and known is not None:
        usable &= np.isin(values, known)
    return np.asarray(usable)


def is_usable_text(column: str, text: str) -> bool:
    """Whether a field's text is a value that the column may hold.

    Example:
        >>> is_usable_text("rating", "3.5"), is_usable_text("rating", "3.7")
        (True, False)
        >>> is_usable_text("userId", "12"), is_usable_text("userId", "1e3")
        (True, False)
    """
    number = _DECIMAL_NUMBER if column == RATING else _WHOLE_NUMBER
    if not number.fullmatch(text):
        return False

    # As an array of one value, a field would take ten times as long to check.
    value = float(text)
    if column == RATING:
        return value in _STARS
    low, high = _BOUNDS[column]
    return low <= value <= high


def value_error(name: str, place: str, column: str, value: str) -> DataError:
    """The error for a value that can't be used.

    Args:
        name: of the file.
        place: where in the file, such as ``line 3``.
        column: the column's name.
        value: as text. A movie id that would be usable is one that isn't known.
    """
    is_unknown_movie = column == MOVIE_ID and is_usable_text(MOVIE_ID, value)
    expected = _EXPECTED_KNOWN_MOVIE if is_unknown_movie else EXPECTED[column]
    return DataError.at(name, place, column, value, expected)


def row_error(
    name: str, place: str, columns: Columns, row: int, known: KnownMovies
) -> DataError:
    """The error for the first value of a bad row that can't be used."""
    for column, values in columns.items():
        value = values[row : row + 1]
        if not _usable_values(column, value, known)[0]:
            return value_error(name, place, column, str(values[row]))
    raise ValueError(f"{name} {place} has no value that can't be used")
