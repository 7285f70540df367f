from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.features import FeatureSpec, Part
from movielens.features.cases import GATES
from movielens.features.groups import (
    DEFAULT_GROUPS,
    GROUPS,
    group_from_arrays,
    group_to_arrays,
)
from movielens.features.training_rows import TrainingRows
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable


def test_columns_depend_on_nothing_beyond_their_part(
    spec: FeatureSpec, ratings: RatingTable, movies: MovieTable
) -> None:
    movie_id = movies.movie_id.astype(np.int64)

    def values(part: Part, user_id: int, seconds: float) -> NDArray[np.float32]:
        queries = RatingQueries(
            np.full(len(movie_id), user_id), movie_id, np.full(len(movie_id), seconds)
        )
        is_of_part = [
            part.includes(column.part) and column.name not in GATES
            for column in spec.columns
        ]
        return spec.transform(queries).values[:, is_of_part]

    for user_id in np.unique(ratings.user_id)[:2].tolist():
        for seconds in (8e8, 9e8):
            np.testing.assert_array_equal(
                values(Part.MOVIE, user_id, seconds), values(Part.MOVIE, -1, np.nan)
            )
            np.testing.assert_array_equal(
                values(Part.USER, user_id, seconds), values(Part.USER, user_id, np.nan)
            )
            np.testing.assert_array_equal(
                values(Part.DATE, user_id, seconds), values(Part.DATE, -1, seconds)
            )


def test_column_names_are_unique(ratings: RatingTable, movies: MovieTable) -> None:
    names = FeatureSpec.fit(ratings, movies, tuple(GROUPS)).names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_comes_back_from_its_arrays(name: str, training: TrainingRows) -> None:
    arrays = group_to_arrays(GROUPS[name].fit(training))
    again = group_to_arrays(group_from_arrays(name, arrays))
    assert again.keys() == arrays.keys()
    for field, array in arrays.items():
        np.testing.assert_array_equal(again[field], array)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_of_the_same_users_is_the_same(
    name: str, training: TrainingRows
) -> None:
    group = GROUPS[name].fit(training)
    arrays = group_to_arrays(group)
    for field, array in group_to_arrays(group.with_users(training)).items():
        np.testing.assert_allclose(array, arrays[field], rtol=1e-4, atol=1e-5)


def test_ids_are_no_default() -> None:
    assert set(GROUPS) - set(DEFAULT_GROUPS) == {"ids"}
