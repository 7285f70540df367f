"""The extension's boundary: what it refuses, what it says without itself, and that it
keeps to its tables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container import debian
from movielens.features import FeatureSpec, IdIndex
from movielens.features.factors import _find_vectors
from movielens.features.kernels import extension, plan_of
from movielens.features.likeness import find_likest
from movielens.features.opinions import Opinions
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

SOURCES = Path(__file__).parent.parent.parent / "src" / "movielens"


@pytest.fixture(scope="module")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies)


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("rated_class", lambda a: a + 200, "a class that isn't on the scale"),
        ("rated_movie", lambda a: a + 5, "a movie that isn't in the catalogue"),
        ("start", lambda a: a[::-1].copy(), "start doesn't rise"),
        ("start", lambda a: a - 1, "start doesn't rise from 0"),
        (
            "year",
            lambda a: a.astype(np.float64),
            r"known.year isn't an aligned C array of float32 \(14\)",
        ),
        ("year", lambda a: a[:-1], "known.year isn't"),
        ("year", lambda a: np.repeat(a, 2)[::2], "known.year isn't"),
        (
            "year",
            lambda a: np.frombuffer(b"1" + a.tobytes(), np.uint8)[1:].view(np.float32),
            "known.year isn't",
        ),
        (
            "class_values",
            lambda _: np.zeros(65, dtype=np.float32),
            "more than 64 classes",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    spec: FeatureSpec, name: str, change, fault: str
) -> None:  # type: ignore[no-untyped-def]
    known, parts = spec.tables()
    with pytest.raises(ValueError, match=fault):
        plan_of(known | {name: change(known[name])}, parts)


def test_parts_that_do_not_fit_are_refused(spec: FeatureSpec) -> None:
    known, _ = spec.tables()
    for part, fault in (
        (("nothing", 1, {}), "there is no kernel nothing"),
        (("base", 21, {}), "base writes 22 columns, 21 are named"),
        (("base", 22, {"more": np.zeros(1)}), "base has 1 tables, its kernel reads 0"),
        (
            ("blend", 1, {"columns": np.full(1, 1), "weights": np.ones(1, np.float32)}),
            "blend writes 0 columns",
        ),
        (
            ("blend", 1, {"columns": np.zeros(1, dtype=np.int64)}),
            r"blend.weights isn't .* float32 \(1\)",
        ),
    ):
        with pytest.raises(ValueError, match=fault):
            plan_of(known, [part])  # type: ignore[list-item]


def test_rows_that_do_not_fit_are_refused(spec: FeatureSpec) -> None:
    plan, one = plan_of(*spec.tables()), np.zeros(1, dtype=np.int64)
    out = np.empty((1, len(spec.names)), dtype=np.float32)
    with pytest.raises(
        ValueError, match=r"timestamp isn't an aligned float64 \(n_rows,\)"
    ):
        plan.transform_into(one, one, one, out)
    with pytest.raises(ValueError, match=r"out isn't an aligned float32 \(1, "):
        plan.transform_into(one, one, np.zeros(1), out[:, 1:].copy())
    out.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        plan.transform_into(one, one, np.zeros(1), out)
    with pytest.raises(ValueError, match="read-only"):
        plan.transform_row(1, 1, 0.0, out)
    with pytest.raises(OverflowError):
        plan.transform_row(2**63, 1, 0.0, out)
    with pytest.raises(ValueError, match=r"out isn't an aligned float32 \(1, "):
        plan.transform_row(1, 1, 0.0, np.empty((2, len(spec.names)), dtype=np.float32))


def test_a_row_of_numbers_is_the_row_of_arrays(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    some = ratings.queries().take(np.arange(0, len(ratings), 7))
    user_id, movie_id = (
        np.append(some.user_id, [-5, 2**63 - 1]),
        np.append(some.movie_id, [-(2**63), 0]),
    )
    timestamp = np.append(some.timestamp, [np.nan, 0.0])
    rows = [
        spec.row(*row)
        for row in zip(
            user_id.tolist(), movie_id.tolist(), timestamp.tolist(), strict=True
        )
    ]
    np.testing.assert_array_equal(
        np.vstack(rows), spec.values(RatingQueries(user_id, movie_id, timestamp))
    )


def test_tables_may_be_mapped_and_read_only(
    spec: FeatureSpec, ratings: RatingTable, tmp_path: Path
) -> None:
    arrays = {}
    for name, array in spec.to_arrays().items():
        np.save(tmp_path / "array.npy", array)
        arrays[name] = np.load(tmp_path / "array.npy", mmap_mode="r")
        (tmp_path / "array.npy").unlink()
    mapped = FeatureSpec.from_arrays(arrays)
    queries = ratings.queries()
    np.testing.assert_array_equal(
        mapped.transform(queries).values, spec.transform(queries).values
    )


def test_columns_need_not_be_contiguous(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    backwards = RatingQueries(
        queries.user_id[::-1], queries.movie_id[::-1], queries.timestamp[::-1]
    )
    np.testing.assert_array_equal(
        spec.transform(backwards).values, spec.transform(queries).values[::-1]
    )


@given(
    st.lists(st.integers(1, 2**31 - 2), min_size=1, max_size=300, unique=True),
    st.integers(0, 2**31 - 2),
    st.lists(st.integers(-(2**63), 2**63 - 1)),
)
def test_movies_are_found_wherever_their_ids_lie(
    ids: list[int], below: int, asked: list[int]
) -> None:
    """Ids close to each other and far apart, theirs and their neighbours, and any that
    there may be.
    """
    movie_id = np.unique(np.array(ids) // (below + 1) + 1).astype(np.int32)
    n_movies, own = len(movie_id), movie_id.astype(np.int64)
    movies = MovieTable(
        movie_id, ("",) * n_movies, ((),) * n_movies, np.zeros(n_movies, dtype=np.int16)
    )
    one = np.ones(1, dtype=np.int32)
    spec = FeatureSpec.fit(
        RatingTable.of(one, movie_id[:1], np.ones(1), None), movies, ("ids",)
    )
    queries = np.concatenate([own, own - 1, own + 1, np.array(asked, dtype=np.int64)])
    rows = RatingQueries(np.ones_like(queries), queries, np.full(len(queries), np.nan))
    found = spec.transform(rows).values[:, spec.names.index("movieId")]
    np.testing.assert_array_equal(
        found, np.where(np.isin(queries, own), queries, np.nan).astype(np.float32)
    )


def test_threads_share_a_plan(spec: FeatureSpec, ratings: RatingTable) -> None:
    expected, wrong = spec.transform(ratings.queries()).values, []
    again = replace(spec)  # whose plan isn't made yet

    def ask(start: int) -> None:
        rows = np.arange(start, len(ratings), 7)
        if not np.array_equal(
            again.transform(ratings.take(rows).queries()).values,
            expected[rows],
            equal_nan=True,
        ):
            wrong.append(start)

    threads = [
        threading.Thread(target=ask, args=(start,)) for start in range(0, 400, 20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_likest_movies_are_those_of_the_formula(
    ratings: RatingTable, movies: MovieTable
) -> None:
    history = TrainingRows.of(
        ratings,
        IdIndex.of(ratings.user_id),
        Catalogue.of(movies),
        RatingScale.of(ratings.rating),
    )
    opinion, h = np.full((history.n_users, len(movies)), np.nan), 3.0
    opinion[history.user_index, history.movie_index] = history.residual
    likeness = np.zeros((len(movies), len(movies)))
    for i, j in np.argwhere(~np.eye(len(movies), dtype=bool)):
        one, other = opinion[:, [i, j]][~np.isnan(opinion[:, [i, j]]).any(axis=1)].T
        alike = (
            (one @ other)
            / (np.sqrt((one @ one) * (other @ other)) + 0.3 * h)
            * len(one)
            / (len(one) + h)
        )
        likeness[i, j] = max(alike, 0) if len(one) > 1 else 0
    found, alike = find_likest(
        Opinions.by_movie(history), Opinions.by_user(history), h, 4
    )
    np.testing.assert_array_equal(found[-1], len(movies))
    for movie in range(len(movies)):
        order = np.argsort(-likeness[movie], kind="stable")[:4]
        np.testing.assert_allclose(alike[movie], likeness[movie, order], rtol=1e-4)
        known = likeness[movie, order] > 0
        np.testing.assert_array_equal(found[movie], np.where(known, order, len(movies)))


def test_a_step_of_the_factorization_is_that_of_the_formula(
    ratings: RatingTable, movies: MovieTable
) -> None:
    history = TrainingRows.of(
        ratings,
        IdIndex.of(ratings.user_id),
        Catalogue.of(movies),
        RatingScale.of(ratings.rating),
    )
    opinions, rng, d, noise = (
        Opinions.by_user(history),
        np.random.default_rng(0),
        4,
        0.7,
    )
    vector, covariance = (
        rng.normal(size=(len(movies) + 1, d)),
        rng.random((len(movies) + 1, d * (d + 1) // 2)),
    )
    precision, shift = (
        np.array([1.0, 2.0, 3.0, 200.0]),
        rng.normal(size=(history.n_users + 1, d)),
    )
    found = _find_vectors(opinions, vector, covariance, precision, shift, noise)
    for user in (0, 7, history.n_users):
        theirs = opinions.index[slice(*opinions.start[user : user + 2])]
        left = (
            opinions.residual[slice(*opinions.start[user : user + 2])]
            - vector[theirs, -1]
        )
        design, spread = vector[theirs].copy(), np.zeros((len(theirs), d, d))
        design[:, -1] = 1
        spread[(slice(None), *np.tril_indices(d))] = covariance[theirs]
        spread += np.tril(spread, -1).transpose(0, 2, 1)
        spread[:, -1] = spread[:, :, -1] = 0
        square = (design[:, :, None] * design[:, None] + spread).sum(axis=0)
        expected = np.linalg.inv(square / noise + np.diag(precision))
        mean = expected @ (design.T @ left / noise + shift[user])
        second = np.outer(mean, mean) + expected
        np.testing.assert_allclose(found[0][user], mean)
        np.testing.assert_allclose(
            found[1][user], expected[np.tril_indices(d)], atol=1e-12
        )
        total = left @ left - 2 * mean @ (design.T @ left) + (second * square).sum()
        np.testing.assert_allclose(found[2][user], total, atol=1e-12)


def test_likest_of_ratings_out_of_bounds_are_refused() -> None:
    one, empty = np.zeros(1, dtype=np.int32), np.array([0, 1])
    ratings = {
        "item_start": empty,
        "rater": one,
        "opinion": np.ones(1, np.float32),
        "rater_start": empty,
        "item": one,
    }
    ratings |= {
        "its_opinion": np.ones(1, np.float32),
        "shrinkage": np.ones(1, np.float32),
    }
    likest = {
        "neighbour": np.zeros((1, 3), np.int32),
        "likeness": np.zeros((1, 3), np.float32),
    }
    extension().find_likest(ratings, likest)
    for name, change in (
        ("item", one + 1),
        ("rater", one - 1),
        ("item_start", empty[::-1].copy()),
    ):
        with pytest.raises(
            ValueError, match="ratings: a start or an index is out of bounds"
        ):
            extension().find_likest(ratings | {name: change}, likest)


def test_vectors_of_no_triangle_are_refused() -> None:
    start, index = np.array([0, 1]), np.zeros(1, dtype=np.int32)
    with pytest.raises(
        ValueError,
        match=r"found.covariance isn't an aligned C array of float64 \(1, 4\)",
    ):
        _find_vectors(
            Opinions(start, index, np.ones(1)),
            np.ones((1, 2)),
            np.ones((1, 4)),
            np.ones(2),
            np.ones((1, 2)),
            1.0,
        )


def without_extension(directory: Path) -> Path:
    """A copy of the package that was installed where there is no compiler."""
    shutil.copytree(
        SOURCES,
        directory / "movielens",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    return directory


def test_without_the_extension_it_is_said(tmp_path: Path) -> None:
    script = (
        "from movielens.readers import read_dataset; import numpy as np; from movielens.features import FeatureSpec\n"
        "from movielens.tables import *\n"
        "i = np.arange(1, 9, dtype=np.int32); movies = MovieTable(i, ('x',) * 8, ((),) * 8, i.astype(np.int16))\n"
        "ratings = RatingTable.of(i, i, np.full(8, 3.5), None)\n"
        "FeatureSpec.fit(ratings, movies).transform(ratings.queries())"
    )
    environment = os.environ | {"PYTHONPATH": str(without_extension(tmp_path))}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        "BuildError: movielens.features._rows can't be loaded"
        in run.stderr.splitlines()[-1]
    )
    assert (
        "install a C compiler, then this package once more"
        in run.stderr.splitlines()[-1]
    )


def test_under_the_sanitizers(spec: FeatureSpec, tmp_path: Path) -> None:
    """Plans and rows of every kind once more, with every access to memory and every
    operation watched.
    """
    if shutil.which("gcc") is None:
        debian.install("gcc", "libc6-dev")
    features = without_extension(tmp_path) / "movielens" / "features"
    flags = [
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-shared",
        "-fPIC",
    ]
    include = f"-I{sysconfig.get_path('include')}"
    sources = sorted(map(str, features.glob("*.c")))
    command = ["gcc", *flags, "-DPy_LIMITED_API=0x030B0000", include, *sources, "-lm"]
    subprocess.run([*command, "-o", str(features / "_rows.abi3.so")], check=True)
    found = [
        ["gcc", f"-print-file-name={name}"] for name in ("libasan.so", "libubsan.so")
    ]
    runtime = [
        subprocess.run(
            find, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        for find in found
    ]
    np.savez(tmp_path / "spec.npz", allow_pickle=False, **spec.to_arrays())
    environment = {
        "LD_PRELOAD": " ".join(runtime),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    script = [
        sys.executable,
        str(Path(__file__).with_name("watched.py")),
        str(tmp_path),
    ]
    result = subprocess.run(
        script,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"
