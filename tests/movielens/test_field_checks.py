"""Text and numbers are checked by different code, which must agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.field_checks import (
    LARGEST_ID,
    LARGEST_TIMESTAMP,
    is_usable_text,
    row_error,
    usable_rows,
    value_error,
)
from movielens.ratings import HALF_STARS

EDGES = [-1, 0, 1, 10, 11, LARGEST_ID, LARGEST_ID + 1, LARGEST_TIMESTAMP + 1]
WHOLE_NUMBERS = st.sampled_from(EDGES) | st.integers(-(2**40), 2**40)


def columns_of_one_row(**changed: Any) -> dict[str, Any]:
    row = {"userId": 1, "movieId": 1, "rating": 4.0, "timestamp": 5} | changed
    return {column: np.array([value]) for column, value in row.items()}


@given(st.sampled_from(["userId", "movieId", "timestamp"]), WHOLE_NUMBERS)
def test_whole_numbers_are_usable_as_text_and_as_numbers_alike(
    column: str, value: int
) -> None:
    columns = columns_of_one_row(**{column: value})
    as_number = bool(usable_rows(columns, None)[0])
    as_text = is_usable_text(column, str(value))
    assert as_text == as_number


@given(st.integers(-20, 120))
def test_ratings_are_usable_as_text_and_as_numbers_alike(quarter_stars: int) -> None:
    rating = quarter_stars / 4
    columns = columns_of_one_row(rating=rating)
    as_number = bool(usable_rows(columns, None)[0])
    as_text = is_usable_text("rating", str(rating))
    assert as_text == as_number == (rating in HALF_STARS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.finfo(float).max])
@pytest.mark.parametrize("column", ["userId", "movieId", "rating", "timestamp"])
def test_no_column_takes_special_or_huge_numbers(column: str, value: float) -> None:
    assert not usable_rows(columns_of_one_row(**{column: value}), None)[0]


def test_only_known_movies_are_usable() -> None:
    columns = columns_of_one_row(movieId=3)
    with_movie_3 = np.array([1, 3], np.int32)
    without_movie_3 = np.array([1, 4], np.int32)
    assert usable_rows(columns, with_movie_3)[0]
    assert not usable_rows(columns, without_movie_3)[0]
    assert usable_rows(columns, None)[0]


def test_the_first_bad_value_of_a_row_is_named() -> None:
    columns = columns_of_one_row(movieId=9, rating=0.7)
    known = np.array([1], np.int32)
    error = row_error("r.parquet", "row 1", columns, 0, known)
    assert str(error).startswith("r.parquet row 1: movieId is '9', expected a movie")
    error = row_error("r.parquet", "row 1", columns, 0, None)
    assert str(error).startswith("r.parquet row 1: rating is '0.7'")


def test_an_id_that_is_no_number_is_not_called_an_unknown_movie() -> None:
    no_number = value_error("r.csv", "line 2", "movieId", "x")
    assert "expected a whole number" in str(no_number)
    unknown = value_error("r.csv", "line 2", "movieId", "9")
    assert "expected a movie that" in str(unknown)
