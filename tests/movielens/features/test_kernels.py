"""The extension: what it refuses, what happens without it, and that kernels never leave
their tables.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container import debian
from movielens.features import FeatureSpec
from movielens.features.groups import GROUPS
from movielens.features.kernels import KernelInput, make_row_maker
from movielens.features.spec_arrays import spec_to_arrays
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable

SOURCES = Path(__file__).parents[3] / "src" / "movielens"
Change = Callable[[NDArray[Any]], NDArray[Any]]


def misaligned(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers at an odd address."""
    data = np.frombuffer(b"1" + array.tobytes(), np.uint8)
    return data[1:].view(array.dtype)


# Tables


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("rated_class", lambda a: a + 200, "a class that isn't on the scale"),
        ("rated_movie", lambda a: a + 5, "a movie that isn't in the catalogue"),
        ("rated_start", lambda a: a[::-1].copy(), "rated_start doesn't rise"),
        ("rated_start", lambda a: a - 1, "rated_start doesn't rise from 0"),
        ("year", lambda a: a.astype(np.float64), "shared.year must be .* float32"),
        ("year", lambda a: a[:-1], r"of shape \(movies\+1\), here \(14\)"),
        ("year", lambda a: np.repeat(a, 2)[::2], "shared.year must be"),
        ("year", misaligned, "shared.year must be"),
        ("genre_flags", lambda a: a[:, 0].copy(), r"\(movies\+1, genres\)"),
        ("class_values", lambda _: np.zeros(65, np.float32), "more than 64 classes"),
        ("class_values", lambda a: a[:0], "shared.class_values must be"),
    ],
)
def test_shared_tables_that_do_not_fit_are_refused(
    spec: FeatureSpec, name: str, change: Change, fault: str
) -> None:
    shared = spec.shared_tables()
    shared[name] = change(shared[name])
    with pytest.raises(ValueError, match=fault):
        make_row_maker(shared, spec.kernel_inputs())


@pytest.mark.parametrize(
    ("group", "fault"),
    [
        (KernelInput("nothing", ("a",), {}), "there is no kernel nothing"),
        (KernelInput("ids", ("userId",), {}), "the kernel writes 2 columns, 1 are"),
        (
            KernelInput("ids", ("userId", "movieId"), {"more": np.zeros(1)}),
            "ids has 1 tables, its kernel reads 0",
        ),
        (
            KernelInput(
                "blend",
                ("blend",),
                {"columns": np.full(1, 1), "weights": np.ones(1, np.float32)},
            ),
            "blend: a term isn't among the columns before",
        ),
        (
            KernelInput("blend", ("blend",), {"columns": np.zeros(1, dtype=np.int64)}),
            r"blend.weights must be .* float32 of shape \(terms\), here \(1\)",
        ),
    ],
)
def test_groups_that_do_not_fit_are_refused(
    spec: FeatureSpec, group: KernelInput, fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        make_row_maker(spec.shared_tables(), [group])


# Columns


def test_swapped_columns_are_refused(ratings: RatingTable, movies: MovieTable) -> None:
    """Whichever two neighbours are swapped, in whichever group."""
    spec = FeatureSpec.fit(ratings, movies, tuple(GROUPS))
    shared = spec.shared_tables()
    for group in spec.kernel_inputs():
        if group.kernel == "blend":
            continue
        for place in range(len(group.names) - 1):
            names = list(group.names)
            names[place], names[place + 1] = names[place + 1], names[place]
            if all(name.startswith("genre_") for name in names[place : place + 2]):
                continue  # which genre is which is said by the table of their flags
            fault = f"{group.kernel}: column {place} is named {names[place]}, but"
            with pytest.raises(ValueError, match=re.escape(fault)):
                make_row_maker(shared, [group._replace(names=tuple(names))])


def test_the_kernel_says_which_column_it_writes(spec: FeatureSpec) -> None:
    group = KernelInput("ids", ("movieId", "userId"), {})
    with pytest.raises(
        ValueError,
        match="ids: column 0 is named movieId, but the kernel writes userId there",
    ):
        make_row_maker(spec.shared_tables(), [group])


# Rows


def test_rows_that_do_not_fit_are_refused(spec: FeatureSpec) -> None:
    maker = make_row_maker(spec.shared_tables(), spec.kernel_inputs())
    ids = np.zeros(1, dtype=np.int64)
    time = np.zeros(1)
    out = np.empty((1, len(spec.names)), dtype=np.float32)
    two_rows = np.empty((2, len(spec.names)), dtype=np.float32)
    with pytest.raises(ValueError, match=r"timestamp must be .* float64"):
        maker.transform_into(ids, ids, ids, out)
    with pytest.raises(ValueError, match=r"user_id must be .* shape \(n_rows\)"):
        maker.transform_into(ids[0], ids, time, out)
    with pytest.raises(ValueError, match=r"out must be .* float32 of shape \(1, "):
        maker.transform_into(ids, ids, time, out[:, 1:].copy())
    with pytest.raises(ValueError, match=r"out must be .* float32 of shape \(1, "):
        maker.transform_into(ids, ids, time, two_rows)
    out.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        maker.transform_into(ids, ids, time, out)


def test_query_columns_need_not_be_contiguous(
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
    ids: list[int], divisor: int, asked: list[int]
) -> None:
    """Ids close together and far apart, the ids next to them, and any others."""
    movie_id = np.unique(np.array(ids) // (divisor + 1) + 1).astype(np.int32)
    n_movies = len(movie_id)
    no_year = np.zeros(n_movies, dtype=np.int16)
    movies = MovieTable(movie_id, ("",) * n_movies, ((),) * n_movies, no_year)
    one = np.ones(1, dtype=np.int32)
    ratings = RatingTable.of(one, movie_id[:1], np.ones(1), None)
    spec = FeatureSpec.fit(ratings, movies, ("ids",))

    own = movie_id.astype(np.int64)
    others = np.array(asked, dtype=np.int64)
    queries = np.concatenate([own, own - 1, own + 1, others])
    user_id = np.ones_like(queries)
    no_time = np.full(len(queries), np.nan)
    matrix = spec.transform(RatingQueries(user_id, queries, no_time))

    found = matrix.values[:, matrix.names.index("movieId")]
    expected = np.where(np.isin(queries, own), queries, np.nan)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_threads_share_a_row_maker(spec: FeatureSpec, ratings: RatingTable) -> None:
    expected = spec.transform(ratings.queries()).values
    fresh = replace(spec)  # its row maker isn't made yet
    wrong = []

    def ask(start: int) -> None:
        rows = np.arange(start, len(ratings), 7)
        found = fresh.transform(ratings.take(rows).queries()).values
        if not np.array_equal(found, expected[rows], equal_nan=True):
            wrong.append(start)

    threads = [
        threading.Thread(target=ask, args=(start,)) for start in range(0, 400, 20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Without the extension


def copy_without_extension(directory: Path) -> Path:
    """A copy of the package as it is installed where there is no compiler."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(SOURCES, directory / "movielens", ignore=ignored)
    return directory


SCRIPT = """
import numpy as np
from movielens.features import FeatureSpec
from movielens.readers import read_dataset
from movielens.tables import MovieTable, RatingTable

ids = np.arange(1, 9, dtype=np.int32)
movies = MovieTable(ids, ("x",) * 8, ((),) * 8, ids.astype(np.int16))
ratings = RatingTable.of(ids, ids, np.full(8, 3.5), None)
FeatureSpec.fit(ratings, movies).transform(ratings.queries())
"""


def test_without_the_extension_the_error_says_what_to_install(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(copy_without_extension(tmp_path))}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    error = run.stderr.splitlines()[-1]
    assert "BuildError: movielens.features._kernels can't be loaded" in error
    assert "install a C compiler, then install this package again" in error


# Under the sanitizers


def runtime_of(sanitizer: str) -> str:
    """The path of a sanitizer's library."""
    command = ["gcc", f"-print-file-name=lib{sanitizer}.so"]
    return subprocess.check_output(command, text=True).strip()


@pytest.fixture(scope="module")
def watched(
    spec: FeatureSpec, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A copy of the package whose extension watches every access to memory and every
    operation, and the environment in which it runs.
    """
    if shutil.which("gcc") is None:
        debian.install("gcc", "libc6-dev")
    directory = copy_without_extension(tmp_path_factory.mktemp("watched"))
    features = directory / "movielens" / "features"
    flags = [
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-shared",
        "-fPIC",
        "-DPy_LIMITED_API=0x030B0000",
        f"-I{sysconfig.get_path('include')}",
    ]
    sources = sorted(map(str, features.glob("*.c")))
    extension = str(features / "_kernels.abi3.so")
    subprocess.run(["gcc", *flags, *sources, "-lm", "-o", extension], check=True)
    np.savez(directory / "spec.npz", allow_pickle=False, **spec_to_arrays(spec))
    environment = {
        "LD_PRELOAD": f"{runtime_of('asan')} {runtime_of('ubsan')}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    return directory, environment


@pytest.mark.parametrize("seed", range(8))
def test_hostile_tables_never_make_a_kernel_misbehave(
    watched: tuple[Path, dict[str, str]], seed: int
) -> None:
    directory, environment = watched
    script = str(Path(__file__).with_name("watched.py"))
    run = subprocess.run(
        [sys.executable, script, str(directory), str(seed)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "done\n"
