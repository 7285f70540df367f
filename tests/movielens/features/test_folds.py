from __future__ import annotations

import numpy as np
import pytest

from movielens.features.folds import fold_of, n_folds_of, sample_of
from movielens.tables import RatingTable


def test_folds_are_of_about_one_size(ratings: RatingTable) -> None:
    n_folds = n_folds_of(ratings)
    sizes = np.bincount(fold_of(ratings), minlength=n_folds)
    assert sizes == pytest.approx(len(ratings) / n_folds, rel=0.5)


def test_folds_depend_on_ids_alone(ratings: RatingTable) -> None:
    order = np.random.default_rng(1).permutation(len(ratings))
    shuffled = ratings.take(order)
    np.testing.assert_array_equal(fold_of(shuffled), fold_of(ratings)[order])


@pytest.mark.parametrize(
    ("n_rows", "n_folds"),
    [(1, 8), (4_000, 8), (10_000, 20), (80_000, 24), (200_000, 20), (25_000_000, 8)],
)
def test_there_are_many_folds_if_rows_are_enough_but_cost_little(
    n_rows: int, n_folds: int
) -> None:
    ids = np.broadcast_to(np.int32(1), n_rows)
    half_stars = np.broadcast_to(np.uint8(1), n_rows)
    assert n_folds_of(RatingTable(ids, ids, half_stars, None)) == n_folds


def test_a_sample_has_about_as_many_rows_as_asked(ratings: RatingTable) -> None:
    assert sample_of(ratings, len(ratings)).all()
    assert 0.4 < sample_of(ratings, len(ratings) // 2).mean() < 0.6
