from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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
        "titles.shrinkage": "titles_residual",
        "recency.rank_weight": "recent_share_rank_3_3",
        "recency.nearest": "nearest_residual",
        "recency.shrinkage": "recent_residual_20s",
        "pace.latest": "pace_classes",
        "taste.window": "beyond_taste_20s",
        "taste.shrinkage": "beyond_taste_20s",
        "taste.recent_seconds": "alike_genre_recent_weight",
        "taste.genre_years": "alike_genre_weight",
        "taste.kind_years": "alike_kind_weight",
        "taste.unknown_years": "alike_genre_weight",
        "taste.alike_shrinkage": "alike_kind_beyond",
        "taste.prior_weight": "alike_kind_share_1",
        "mood.by_rank": "mood",
        "mood.seconds": "mood",
        "mood.variance": "mood",
        "mood.genre_years": "mood",
        "mood.noise": "mood",
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
    "missing", ["user_id", "taste.window", "level.rest", "blends", "latest_kept"]
)
def test_a_missing_array_is_a_key_error(spec: FeatureSpec, missing: str) -> None:
    arrays = spec_to_arrays(spec)
    del arrays[missing]
    with pytest.raises(KeyError, match=missing):
        spec_from_arrays(arrays)


def of_another_kind(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Arrays that a file might have in the place of a good one."""
    yield array.reshape(-1)[:0]
    yield array.reshape(-1)[0] if array.size else np.zeros(())
    yield array[..., None]
    yield array[:-1]
    yield np.concatenate([array, array])
    yield array.astype(np.int64 if array.dtype.kind == "f" else np.float64)
    if array.dtype.kind == "f":
        yield np.full_like(array, np.nan)
        yield np.full_like(array, np.inf)
    else:
        yield np.full_like(array, np.iinfo(array.dtype).min)
        yield np.full_like(array, np.iinfo(array.dtype).max)


@np.errstate(all="ignore")
def test_other_arrays_are_refused_or_can_be_used(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    arrays = spec_to_arrays(spec)
    queries = ratings.queries().take(np.arange(50))
    n_refused = 0
    for name, array in arrays.items():
        for other in of_another_kind(array):
            try:
                found = spec_from_arrays({**arrays, name: np.ascontiguousarray(other)})
            except (ArithmeticError, LookupError, TypeError, ValueError):
                n_refused += 1
                continue
            found.values(queries)
            counts = found.profiles.counts(len(found.movies))
            assert len(counts) == len(found.movies)
    assert n_refused > 300


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("latest_kept", np.array([], np.int64), r"latest_kept has shape \(0,\)"),
        ("bias.mean", np.array([1.0, 2.0]), r"bias\.mean has shape \(2,\)"),
        ("bias.user", np.array([1.0]), r"bias\.user is float64\(1,\), expected"),
        ("profiles.older", np.array([1], np.int64), r"profiles\.older is int64"),
        ("year", np.array([1995], np.int32), "year is int32"),
        ("recency.latest", np.array([2**62]), "at most 1000"),
        ("recency.latest", np.array([-1]), "at most 1000"),
    ],
)
def test_what_only_python_reads_is_checked(
    spec: FeatureSpec, name: str, array: NDArray[Any], expected: str
) -> None:
    arrays = spec_to_arrays(spec)
    with pytest.raises(ValueError, match=expected):
        spec_from_arrays({**arrays, name: array})


def test_an_older_movie_beyond_the_catalogue_costs_no_memory(
    ratings: RatingTable, movies: MovieTable
) -> None:
    spec = FeatureSpec.fit(ratings, movies, ("statistics",), latest_kept=3)
    arrays = spec_to_arrays(spec)
    older = arrays["profiles.older"]
    assert len(older)
    for movie in (2**31 - 1, -1, len(movies)):
        arrays["profiles.older"] = np.full_like(older, movie)
        with pytest.raises(ValueError, match="names a movie that isn't"):
            spec_from_arrays(arrays)


@pytest.mark.parametrize("name", ["factors.intercept_variance", "taste.raters"])
def test_arrays_that_only_histories_need_are_tried(
    spec: FeatureSpec, name: str
) -> None:
    arrays = spec_to_arrays(spec)
    damaged = np.zeros_like(arrays[name][:1])
    with pytest.raises((ArithmeticError, IndexError)):
        spec_from_arrays({**arrays, name: damaged})
