"""The extension's boundary: what it refuses, what it says without itself, and that it keeps to its tables."""

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

from container import debian
from movielens.features import FeatureSpec
from movielens.features.rows import plan_of
from movielens.queries import RatingQueries
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
        ("start", lambda a: a - 1, "start is negative"),
        ("year", lambda a: a.astype(np.float64), r"known.year isn't an aligned C array of float32 \(14\)"),
        ("year", lambda a: a[:-1], "known.year isn't"),
        ("year", lambda a: np.repeat(a, 2)[::2], "known.year isn't"),
        ("year", lambda a: np.frombuffer(b"1" + a.tobytes(), np.uint8)[1:].view(np.float32), "known.year isn't"),
        ("class_values", lambda _: np.zeros(65, dtype=np.float32), "more than 64 classes"),
    ],
)
def test_tables_that_do_not_fit_are_refused(spec: FeatureSpec, name: str, change, fault: str) -> None:  # type: ignore[no-untyped-def]
    known, parts = spec.tables()
    with pytest.raises(ValueError, match=fault):
        plan_of(known | {name: change(known[name])}, parts)


def test_parts_that_do_not_fit_are_refused(spec: FeatureSpec) -> None:
    known, _ = spec.tables()
    for part, fault in (
        (("nothing", 1, {}), "there is no kernel nothing"),
        (("base", 21, {}), "base writes 22 columns, 21 are named"),
        (("base", 22, {"more": np.zeros(1)}), "base has 1 tables, its kernel reads 0"),
        (("blend", 1, {"columns": np.full(1, 1), "weights": np.ones(1, np.float32)}), "blend writes 0 columns"),
        (("blend", 1, {"columns": np.zeros(1, dtype=np.int64)}), r"blend.weights isn't .* float32 \(1\)"),
    ):
        with pytest.raises(ValueError, match=fault):
            plan_of(known, [part])  # type: ignore[list-item]


def test_rows_that_do_not_fit_are_refused(spec: FeatureSpec) -> None:
    plan, one = plan_of(*spec.tables()), np.zeros(1, dtype=np.int64)
    out = np.empty((1, len(spec.names)), dtype=np.float32)
    with pytest.raises(ValueError, match=r"timestamp isn't an aligned float64 \(n_rows,\)"):
        plan.transform_into(one, one, one, out)
    with pytest.raises(ValueError, match=r"out isn't an aligned float32 \(1, "):
        plan.transform_into(one, one, np.zeros(1), out[:, 1:].copy())
    out.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        plan.transform_into(one, one, np.zeros(1), out)


def test_tables_may_be_mapped_and_read_only(spec: FeatureSpec, ratings: RatingTable, tmp_path: Path) -> None:
    arrays = {}
    for name, array in spec.to_arrays().items():
        np.save(tmp_path / "array.npy", array)
        arrays[name] = np.load(tmp_path / "array.npy", mmap_mode="r")
        (tmp_path / "array.npy").unlink()
    mapped = FeatureSpec.from_arrays(arrays)
    queries = ratings.queries()
    np.testing.assert_array_equal(mapped.transform(queries).values, spec.transform(queries).values)


def test_columns_need_not_be_contiguous(spec: FeatureSpec, ratings: RatingTable) -> None:
    queries = ratings.queries()
    backwards = RatingQueries(queries.user_id[::-1], queries.movie_id[::-1], queries.timestamp[::-1])
    np.testing.assert_array_equal(spec.transform(backwards).values, spec.transform(queries).values[::-1])


def test_threads_share_a_plan(spec: FeatureSpec, ratings: RatingTable) -> None:
    expected, wrong = spec.transform(ratings.queries()).values, []
    again = replace(spec)  # whose plan isn't made yet

    def ask(start: int) -> None:
        rows = np.arange(start, len(ratings), 7)
        if not np.array_equal(again.transform(ratings.take(rows).queries()).values, expected[rows], equal_nan=True):
            wrong.append(start)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(0, 400, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def without_extension(directory: Path) -> Path:
    """A copy of the package that was installed where there is no compiler."""
    shutil.copytree(SOURCES, directory / "movielens", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return directory


def test_without_the_extension_it_is_said(tmp_path: Path) -> None:
    script = (
        "from movielens.readers import read_dataset; import numpy as np; from movielens.features import FeatureSpec\n"
        "from movielens.tables import *\n"
        "i, f = np.arange(1, 9, dtype=np.int32), np.full(8, 3.5, np.float32)\n"
        "movies = MovieTable(i, ('x',) * 8, ((),) * 8, i.astype(np.int16)); ratings = RatingTable(i, i, f, None)\n"
        "FeatureSpec.fit(ratings, movies).transform(ratings.queries())"
    )
    environment = os.environ | {"PYTHONPATH": str(without_extension(tmp_path))}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "BuildError: movielens.features._rows can't be loaded" in run.stderr.splitlines()[-1]
    assert "install a C compiler, then this package once more" in run.stderr.splitlines()[-1]


def test_under_the_sanitizers(spec: FeatureSpec, tmp_path: Path) -> None:
    """Plans and rows of every kind once more, with every access to memory and every operation watched."""
    if shutil.which("gcc") is None:
        debian.install("gcc", "libc6-dev")
    features = without_extension(tmp_path) / "movielens" / "features"
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-shared", "-fPIC"]
    include = f"-I{sysconfig.get_path('include')}"
    sources = [str(features / name) for name in ("_rows.c", "_kernels.c")]
    command = ["gcc", *flags, "-DPy_LIMITED_API=0x030B0000", include, *sources, "-lm"]
    subprocess.run([*command, "-o", str(features / "_rows.abi3.so")], check=True)
    found = [["gcc", f"-print-file-name={name}"] for name in ("libasan.so", "libubsan.so")]
    runtime = [subprocess.run(find, stdout=subprocess.PIPE, text=True, check=True).stdout.strip() for find in found]
    np.savez(tmp_path / "spec.npz", allow_pickle=False, **spec.to_arrays())
    environment = {"LD_PRELOAD": " ".join(runtime), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    script = [sys.executable, str(Path(__file__).with_name("watched.py")), str(tmp_path)]
    result = subprocess.run(script, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"
