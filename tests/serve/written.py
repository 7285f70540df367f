"""Rows as the tests write them, and the same rows read from a parsed request."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from movielens.queries import RatingQueries

WrittenRow = tuple[int, int, float | None]

_ids = st.integers(-(2**63), 2**63 - 1)
# Text has no exponents, so these floats have none.
_milliseconds = st.integers(0, 2**32 * 1000 - 1)
_fractions = _milliseconds.map(lambda milliseconds: milliseconds / 1000)
_timestamps = st.none() | st.integers(0, 2**32 - 1) | _fractions
_row = st.tuples(_ids, _ids, _timestamps)

any_rows = st.lists(_row, max_size=20)
some_rows = st.lists(_row, min_size=1, max_size=20)


def as_written(queries: RatingQueries) -> list[WrittenRow]:
    """User, movie and timestamp of each row, None where there is no timestamp."""
    columns = zip(
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.tolist(),
        strict=True,
    )
    rows = []
    for user_id, movie_id, timestamp in columns:
        is_known = not np.isnan(timestamp)
        rows.append((user_id, movie_id, timestamp if is_known else None))
    return rows


def as_records(rows: list[WrittenRow]) -> list[dict[str, Any]]:
    """The rows as JSON objects."""
    return [
        {"userId": user_id, "movieId": movie_id, "timestamp": timestamp}
        for user_id, movie_id, timestamp in rows
    ]
