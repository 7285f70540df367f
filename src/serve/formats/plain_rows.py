"""Long bodies of plain rows, read all at once.

Most long bodies have nothing but whole numbers in their rows. These functions read such
rows several times as fast as the parsers, and leave any other body to the parsers,
which define what a row means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.columns import MOVIE_ID, TIMESTAMP, USER_ID
from movielens.queries import RatingQueries
from serve.fields import TIMESTAMP_BOUND

# Longer numbers may be beyond 64 bits.
MOST_DIGITS = 18

_DIGITS_AND_SEPARATORS = b"0123456789,\n"
_COMMA, _LF = b",\n"
_WITHOUT_TIME = 2
_WITH_TIME = 3


def plain_csv_rows(body: bytes) -> RatingQueries | None:
    """The rows of a CSV body of digits, or None for the parser to read it.

    Example:
        >>> plain_csv_rows(b"1,318\\n1,296").movie_id.tolist()
        [318, 296]
        >>> plain_csv_rows(b"userId,movieId\\n1,318") is None
        True
    """
    text = body.replace(b"\r\n", b"\n")
    if not text.endswith(b"\n"):
        text += b"\n"
    first_line = text.partition(b"\n")[0]
    width = first_line.count(b",") + 1
    other_characters = text.translate(None, _DIGITS_AND_SEPARATORS)
    if width not in (_WITHOUT_TIME, _WITH_TIME) or other_characters:
        return None

    characters = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(characters < ord("0"))
    lengths = np.diff(ends, prepend=-1) - 1
    if len(ends) % width or lengths.min() < 1 or lengths.max() > MOST_DIGITS:
        return None
    separators = characters[ends].reshape(-1, width)
    are_commas = separators[:, :-1] == _COMMA
    are_line_ends = separators[:, -1] == _LF
    if not (are_commas.all() and are_line_ends.all()):
        return None

    values = text[:-1].replace(b"\n", b",")
    numbers = np.fromstring(values, dtype=np.int64, sep=",").reshape(-1, width)
    user_id = numbers[:, 0].copy()
    movie_id = numbers[:, 1].copy()
    if width == _WITHOUT_TIME:
        return _queries(user_id, movie_id, None)
    return _queries(user_id, movie_id, numbers[:, 2].astype(np.float64))


def plain_json_rows(records: Sequence[Any]) -> RatingQueries | None:
    """The rows of decoded objects with whole ids, or None for the parser to read them.

    Either all of them have a timestamp, as a number, or none has.

    Example:
        >>> plain_json_rows([{"userId": 1, "movieId": 318}]).movie_id.tolist()
        [318]
        >>> plain_json_rows([[1, 318]]) is None
        True
    """
    if {type(record) for record in records} != {dict}:
        return None
    widths = {len(record) for record in records}
    if widths not in ({_WITHOUT_TIME}, {_WITH_TIME}):
        return None
    try:
        user_ids = [record[USER_ID] for record in records]
        movie_ids = [record[MOVIE_ID] for record in records]
        times = None
        if _WITH_TIME in widths:
            times = [record[TIMESTAMP] for record in records]
    except KeyError:
        return None

    if {type(each) for each in user_ids} | {type(each) for each in movie_ids} != {int}:
        return None
    if times is not None and not {type(each) for each in times} <= {int, float}:
        return None
    try:
        user_id = np.array(user_ids, dtype=np.int64)
        movie_id = np.array(movie_ids, dtype=np.int64)
    except OverflowError:
        return None
    timestamp = None if times is None else np.array(times, dtype=np.float64)
    return _queries(user_id, movie_id, timestamp)


def _queries(
    user_id: NDArray[np.int64],
    movie_id: NDArray[np.int64],
    timestamp: NDArray[np.float64] | None,
) -> RatingQueries | None:
    if timestamp is None:
        return RatingQueries(user_id, movie_id, np.full(len(user_id), np.nan))
    is_in_time = (timestamp >= 0) & (timestamp < TIMESTAMP_BOUND)
    return RatingQueries(user_id, movie_id, timestamp) if is_in_time.all() else None
