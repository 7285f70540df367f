from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.features.groups import GROUPS
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.tables import MovieTable, RatingTable


@pytest.mark.parametrize("groups", [(), ("affinity",), tuple(GROUPS)])
def test_any_choice_of_groups_comes_back_from_its_arrays(
    ratings: RatingTable, movies: MovieTable, groups: tuple[str, ...]
) -> None:
    spec = FeatureSpec.fit(ratings, movies, groups)
    again = spec_from_arrays(spec_to_arrays(spec))
    assert again.columns == spec.columns
    assert again.movies.title == spec.movies.title
    assert again.movies.genres == spec.movies.genres
    queries = ratings.queries()
    np.testing.assert_array_equal(
        again.transform(queries).values, spec.transform(queries).values
    )


def test_arrays_may_be_mapped_and_read_only(
    spec: FeatureSpec, ratings: RatingTable, tmp_path: Path
) -> None:
    path = tmp_path / "array.npy"
    arrays = {}
    for name, array in spec_to_arrays(spec).items():
        np.save(path, array)
        arrays[name] = np.load(path, mmap_mode="r")
        path.unlink()
    mapped = spec_from_arrays(arrays)
    queries = ratings.queries()
    np.testing.assert_array_equal(
        mapped.transform(queries).values, spec.transform(queries).values
    )


def test_the_arrays_decide_about_tuned_constants(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    """An artifact answers by the constants that it was trained with."""
    arrays = spec_to_arrays(spec)
    queries = ratings.queries()
    before = spec.transform(queries).values
    tuned = {
        "affinity.shrinkage": "affinity_mean",
        "neighbours.best": "neighbours_count",
        "neighbours.prior_weight": "neighbours_share_1",
        "neighbours.recent_seconds": "neighbours_recent_weight",
        "neighbours.shrinkage": "neighbours_residual",
        "recency.rank_weight": "recent_share_rank_3_3",
        "recency.nearest": "nearest_residual",
        "recency.shrinkage": "recent_residual_20s",
        "pace.latest": "pace_classes",
        "taste.window": "beyond_taste_20s",
        "taste.shrinkage": "beyond_taste_20s",
        "taste.level_width": "alike_level_weight",
        "taste.recent_rank": "alike_level_recent_weight",
        "taste.recent_seconds": "alike_genre_recent_weight",
        "taste.genre_years": "alike_genre_weight",
        "taste.kind_years": "alike_kind_weight",
        "taste.unknown_years": "alike_genre_weight",
        "taste.alike_shrinkage": "alike_kind_beyond",
        "taste.prior_weight": "alike_kind_share_1",
        "blend_taste.weights": "blend_taste",
    }
    for name, column in tuned.items():
        constant = arrays[name]
        smaller = (constant / 16).astype(constant.dtype)
        changed = spec_from_arrays(arrays | {name: smaller})
        place = spec.names.index(column)
        after = changed.transform(queries).values
        assert not np.array_equal(after[:, place], before[:, place], equal_nan=True), (
            name
        )


@pytest.mark.parametrize(
    "missing", ["user_id", "taste.window", "blends", "latest_kept"]
)
def test_a_missing_array_is_a_key_error(spec: FeatureSpec, missing: str) -> None:
    arrays = spec_to_arrays(spec)
    del arrays[missing]
    with pytest.raises(KeyError, match=missing):
        spec_from_arrays(arrays)
