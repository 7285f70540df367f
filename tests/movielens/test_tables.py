from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from movielens.tables import MovieTable, RatingTable

IDS = np.array([1, 2], np.int32)
HALF_STARS = np.array([1, 2], np.uint8)
YEARS = np.array([0, 0], np.int16)


def test_rating_columns_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        RatingTable(IDS, IDS[:1], HALF_STARS, None)


def test_rating_columns_must_be_of_their_types() -> None:
    stars: Any = np.array([1, 2], np.float32)
    with pytest.raises(ValueError, match="half_stars is float32, expected uint8"):
        RatingTable(IDS, IDS, stars, None)


def test_movie_columns_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        MovieTable(IDS, ("A",), ((), ()), YEARS)


def test_movie_ids_must_rise() -> None:
    with pytest.raises(ValueError, match="must rise"):
        MovieTable(IDS[::-1], ("A", "B"), ((), ()), YEARS)


def test_movie_ids_must_rise_however_far_apart_they_are() -> None:
    # Their difference, -2**31 - 1, would be 2**31 - 1 as an int32.
    ids = np.array([1, -(2**31)], dtype=np.int32)
    with pytest.raises(ValueError, match="must rise"):
        MovieTable(ids, ("A", "B"), ((), ()), YEARS)


def test_a_rating_takes_13_bytes(ratings: RatingTable) -> None:
    assert ratings.timestamp is not None
    columns = (ratings.user_id, ratings.movie_id, ratings.half_stars, ratings.timestamp)
    assert sum(column.nbytes for column in columns) == 13 * len(ratings)


def test_stars_become_half_stars_and_back(ratings: RatingTable) -> None:
    again = RatingTable.of(
        ratings.user_id, ratings.movie_id, ratings.rating, ratings.timestamp
    )
    np.testing.assert_array_equal(again.half_stars, ratings.half_stars)


def test_rows_become_queries(ratings: RatingTable) -> None:
    rows = np.array([3, 1])
    queries = ratings.take(rows).queries()
    assert ratings.timestamp is not None
    assert queries.user_id.tolist() == ratings.user_id[rows].tolist()
    assert queries.timestamp.tolist() == ratings.timestamp[rows].tolist()


@pytest.mark.parametrize(
    ("most", "expected"), [(1, 1), (3, 3), (399, 200), (400, 400), (10**6, 400)]
)
def test_rows_are_thinned_out_evenly(
    ratings: RatingTable, most: int, expected: int
) -> None:
    some = ratings.every(most)
    assert len(some) == expected
    step = -(-len(ratings) // expected)
    assert some.user_id.tolist() == ratings.user_id[::step].tolist()
