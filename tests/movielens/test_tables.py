from __future__ import annotations

import numpy as np
import pytest

from movielens.movie_rows import year_of
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable


def test_columns_must_be_of_one_length() -> None:
    ids = np.array([1, 2], np.int32)
    with pytest.raises(ValueError, match="different lengths"):
        RatingTable(ids, ids[:1], np.array([1, 2], np.uint8), None)
    with pytest.raises(ValueError, match="a column is float32, expected uint8"):
        RatingTable(ids, ids, np.array([1, 2], np.float32), None)
    with pytest.raises(ValueError, match="different lengths"):
        MovieTable(ids, ("A",), ((), ()), np.array([0, 0], np.int16))


def test_a_rating_takes_13_bytes(ratings: RatingTable) -> None:
    columns = (ratings.user_id, ratings.movie_id, ratings.half_stars, ratings.timestamp)
    assert sum(column.nbytes for column in columns if column is not None) == 13 * len(
        ratings
    )
    again = RatingTable.of(
        ratings.user_id, ratings.movie_id, ratings.rating, ratings.timestamp
    )
    assert np.array_equal(again.half_stars, ratings.half_stars)


def test_movie_ids_must_rise() -> None:
    with pytest.raises(ValueError, match="must rise"):
        MovieTable(
            np.array([2, 1], np.int32), ("A", "B"), ((), ()), np.array([0, 0], np.int16)
        )


def test_queries_check_their_types() -> None:
    ids = np.array([1])
    with pytest.raises(ValueError, match="movie_id is int32"):
        RatingQueries(ids, ids.astype(np.int32), np.array([np.nan]))


def test_rows_become_queries(ratings: RatingTable) -> None:
    queries = ratings.take(np.array([3, 1])).queries()
    assert queries.user_id.tolist() == ratings.user_id[[3, 1]].tolist()
    assert ratings.timestamp is not None
    assert queries.timestamp.tolist() == ratings.timestamp[[3, 1]].tolist()


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Babylon 5", 0),
        ("Fawlty Towers (1975-1979)", 1975),
        ("Doctor Who (2005\u2013)", 2005),
        ("(500) Days of Summer (2009)", 2009),
        ("1984 (1956)", 1956),
        ("Remake (1956) (2001)", 2001),
    ],
)
def test_the_year_in_a_title(title: str, year: int) -> None:
    assert year_of(title) == year
