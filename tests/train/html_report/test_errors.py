"""Errors by bins, against sums over the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from movielens.report_numbers import Bin
from movielens.tables import RatingTable
from train.html_report.errors import EvaluatedRows
from train.html_report.material import Material


@pytest.fixture(scope="module")
def rows(material: Material) -> EvaluatedRows:
    return EvaluatedRows.of(material.model, material.test, material.predictions)


def total_squares(bins: list[Bin]) -> float:
    return sum(each.n_rows * each.rmse**2 for each in bins)


def test_bins_share_out_all_rows_and_all_errors(
    rows: EvaluatedRows, material: Material
) -> None:
    all_squares = float((rows.error**2).sum())
    for bins in (
        rows.by_user_count(material.train),
        rows.by_movie_count(material.train),
        rows.by_movie_year(),
        rows.by_rating_year(),
    ):
        assert sum(each.n_rows for each in bins) == len(rows)
        assert total_squares(bins) == pytest.approx(all_squares)


def test_a_movie_counts_in_each_of_its_genres(rows: EvaluatedRows) -> None:
    movies = rows.model.movies
    is_comedy = ["Comedy" in movies.genres[place] for place in rows.movie_index]
    (comedy,) = (each for each in rows.by_genre() if each.label == "Comedy")
    assert comedy.n_rows == sum(is_comedy)
    squares = rows.error[np.array(is_comedy)] ** 2
    assert comedy.rmse == pytest.approx(np.sqrt(squares.mean()))


def test_the_interval_is_around_the_error(rows: EvaluatedRows) -> None:
    for each in rows.by_genre():
        low, high = each.interval
        assert 0 <= low <= each.rmse <= high


def test_users_are_counted_among_the_training_rows(
    rows: EvaluatedRows, material: Material
) -> None:
    counts = {
        user: int(np.count_nonzero(material.train.user_id == user))
        for user in rows.ratings.user_id.tolist()
    }
    n_few = sum(counts[user] in range(5, 10) for user in rows.ratings.user_id.tolist())
    found = {each.label: each.n_rows for each in rows.by_user_count(material.train)}
    assert found["5 to 9"] == n_few


def test_ids_of_any_size_are_counted_alike(
    rows: EvaluatedRows, material: Material
) -> None:
    beyond = 2_000_000_000
    one = material.train.take(np.arange(1))
    far = replace(one, user_id=np.array([beyond], dtype=np.int32))
    train = RatingTable.concatenate([material.train, far])
    assert rows.by_user_count(train) == rows.by_user_count(material.train)


def test_data_without_times_has_no_years(material: Material) -> None:
    timeless = replace(material.test, timestamp=None)
    rows = EvaluatedRows.of(material.model, timeless, material.predictions)
    assert rows.by_rating_year() == []


def test_an_unknown_movie_has_neither_genre_nor_year(material: Material) -> None:
    unknown = replace(
        material.test, movie_id=np.full(len(material.test), 10**9, dtype=np.int32)
    )
    rows = EvaluatedRows.of(material.model, unknown, material.predictions)
    assert rows.by_genre() == []
    assert [each.label for each in rows.by_movie_year()] == ["no year"]


def test_few_of_many_rows_are_looked_at(material: Material) -> None:
    rows = EvaluatedRows.of(
        material.model, material.test, material.predictions, most=30
    )
    assert len(rows) == 25
    assert rows.ratings.user_id.tolist() == material.test.user_id[::4].tolist()
