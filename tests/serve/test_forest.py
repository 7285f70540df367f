"""The kernel against XGBoost, bit for bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container import debian
from movielens import artifact
from movielens.errors import ArtifactError
from movielens.features.spec import KNOWS_TIME, KNOWS_USER
from movielens.flat_forest import (
    HEADER,
    NODE,
    TREE,
    UnknownShapeError,
    flatten,
    leading_trees,
    split_points,
)
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from movielens.ubjson import dumps, loads
from serve._forest import Forest
from serve.forest import FlatForest
from serve.served_model import load
from tests.examples import EVALUATION

ROOT = Path(__file__).parent.parent.parent
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45, -1e-45]


def booster_of(
    seed: int = 0,
    n_features: int = 7,
    n_rows: int = 300,
    rounds: int = 9,
    **params: Any,
) -> xgboost.Booster:
    rng = np.random.default_rng(seed)
    values = rng.choice(
        [-1.5, -0.0, 0.0, 0.25, 1.0, 3e38, np.nan, rng.normal()], (n_rows, n_features)
    )
    values = np.where(
        rng.random(values.shape) < 0.5, rng.normal(size=values.shape), values
    )
    n_classes = params.setdefault("num_class", 5)
    settings = {
        "objective": "multi:softprob",
        "tree_method": "hist",
        "nthread": 1,
        "max_depth": 5,
        **params,
    }
    target = np.append(rng.integers(0, n_classes, n_rows - n_classes), range(n_classes))
    return xgboost.train(
        settings, xgboost.DMatrix(values.astype(np.float32), target), rounds
    )


def adversarial_rows(
    flat: bytes, seed: int, n_rows: int, alike: float = 0
) -> NDArray[np.float32]:
    """Split points, their neighbours on both sides, and values that are no ordinary
    numbers.

    A share of the columns has few values, so that many nodes are left by one side.
    """
    rng = np.random.default_rng(seed)
    column, point = split_points(flat)
    n_features = int(np.frombuffer(flat, HEADER, 1)["n_features"][0])
    rows = np.empty((n_rows, n_features), dtype=np.float32)
    for feature in range(n_features):
        points = point[column == feature]
        near = [
            points,
            *(np.nextafter(points, np.float32(side)) for side in (np.inf, -np.inf)),
            SPECIAL,
        ]
        values = np.concatenate(near).astype(np.float32)
        if rng.random() < alike:
            values = rng.choice(values, rng.integers(1, 3))
        rows[:, feature] = rng.choice(values, n_rows)
    return rows


def assert_equal_bits(booster: xgboost.Booster, rows: NDArray[np.float32]) -> None:
    forest = FlatForest(flatten(bytes(booster.save_raw("ubj"))))
    for kind in ("value", "margin"):
        expected = booster.inplace_predict(rows, predict_type=kind).reshape(
            len(rows), -1
        )
        np.testing.assert_array_equal(
            forest.inplace_predict(rows, predict_type=kind), expected, strict=True
        )


def test_20_000_adversarial_rows_have_the_bits_of_xgboost() -> None:
    booster = booster_of(n_features=30, n_rows=1000, rounds=40)
    rows = adversarial_rows(
        flatten(bytes(booster.save_raw("ubj"))), seed=1, n_rows=20_000
    )
    assert_equal_bits(booster, rows)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.fixed_dictionaries(
        {
            "n_features": st.integers(1, 40),
            "n_rows": st.integers(20, 200),
            "rounds": st.integers(1, 12),
            "num_class": st.integers(2, 12),
            "max_depth": st.integers(1, 9),
            "gamma": st.sampled_from([0.0, 0.5, 1e9]),
            "grow_policy": st.sampled_from(["depthwise", "lossguide"]),
            "num_parallel_tree": st.integers(1, 3),
            "subsample": st.sampled_from([0.5, 1.0]),
            "base_score": st.sampled_from([0.0, 0.5, -3.0]),
            "tree_method": st.sampled_from(["hist", "exact"]),
        }
    ),
    st.integers(1, 600),
    st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
def test_any_booster_has_the_bits_of_xgboost(
    seed: int, shape: dict[str, Any], n_rows: int, alike: float
) -> None:
    booster = booster_of(seed, **shape)
    assert_equal_bits(
        booster,
        adversarial_rows(flatten(bytes(booster.save_raw("ubj"))), seed, n_rows, alike),
    )


@pytest.mark.parametrize(
    "n_leaves", [2, 8, 9, 16, 17, 31, 32, 33, 64, 65, 96, 97, 128, 129, 200]
)
def test_trees_of_many_leaves_have_the_bits_of_xgboost(n_leaves: int) -> None:
    """They take one to four words of bits, or more, so that rows walk."""
    booster = booster_of(
        n_leaves,
        n_rows=2_000,
        rounds=2,
        max_leaves=n_leaves,
        max_depth=0,
        grow_policy="lossguide",
    )
    assert (
        booster.trees_to_dataframe()
        .query("Feature == 'Leaf'")
        .groupby("Tree")
        .size()
        .max()
        == n_leaves
    )
    flat = flatten(bytes(booster.save_raw("ubj")))
    for n_rows, alike in ((50, 0.0), (400, 0.0), (400, 0.9)):
        assert_equal_bits(booster, adversarial_rows(flat, n_leaves, n_rows, alike))


def test_a_regression_has_the_bits_of_xgboost() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(300, 5)).astype(np.float32)
    matrix = xgboost.DMatrix(values, rng.normal(3.5, 1, 300))
    booster = xgboost.train({"objective": "reg:squarederror", "nthread": 1}, matrix, 20)
    assert_equal_bits(
        booster,
        adversarial_rows(flatten(bytes(booster.save_raw("ubj"))), seed=4, n_rows=500),
    )


def test_gates_and_averaged_seeds_have_the_bits_of_xgboost(
    gated: Model, ratings: RatingTable
) -> None:
    booster = gated.booster
    assert isinstance(booster, xgboost.Booster)
    roots = booster.trees_to_dataframe().query("Node == 0")
    gates = [roots[roots.Feature == name].Tree for name in (KNOWS_USER, KNOWS_TIME)]
    assert min(map(len, gates)) > 0
    known = ratings.queries()
    nobody, never = np.full(len(known), -1), np.full(len(known), np.nan)
    asked = [
        RatingQueries(user, known.movie_id, time)
        for user in (known.user_id, nobody)
        for time in (known.timestamp, never)
    ]
    each = [gated.spec.transform(queries).values for queries in asked]
    rows = np.concatenate(each)
    # XGBoost goes another way through its trees for a single row than for many.
    for few in (rows[:1], rows[-1:], rows, *each):
        assert_equal_bits(booster, few)
    assert_equal_bits(
        booster,
        adversarial_rows(flatten(bytes(booster.save_raw("ubj"))), seed=8, n_rows=2_000),
    )


def test_rows_are_the_same_alone_and_among_others() -> None:
    booster = booster_of()
    flat = flatten(bytes(booster.save_raw("ubj")))
    forest, rows = (
        FlatForest(flat),
        adversarial_rows(flat, seed=5, n_rows=667, alike=0.7),
    )
    together = forest.inplace_predict(rows)
    for n_rows in (0, 1, 2, 16, 17, 31, 32, 33, 65, 255, 256, 257):
        np.testing.assert_array_equal(
            forest.inplace_predict(rows[:n_rows]), together[:n_rows]
        )


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(0, 7),
    st.integers(1, 600),
    st.sampled_from([0.0, 0.9, 1.0]),
)
def test_later_trees_go_on_from_the_margins_of_the_first(
    seed: int, n_columns: int, n_rows: int, alike: float
) -> None:
    early, late = (
        booster_of(seed, n_features=7, rounds=3),
        booster_of(seed + 1, n_features=7, rounds=3),
    )
    flat = flatten(bytes(early.save_raw("ubj")))
    columns = np.random.default_rng(seed).permutation(7)[:n_columns]
    looks = [
        set(tree.Feature) - {"Leaf"}
        for _, tree in early.trees_to_dataframe().groupby("Tree")
    ]
    names = {f"f{column}" for column in columns}
    expected = next(
        (place for place, seen in enumerate(looks) if not seen <= names), len(looks)
    )
    assert leading_trees(flat, columns) == expected
    for booster in (early, late):
        flat = flatten(bytes(booster.save_raw("ubj")))
        forest, rows = FlatForest(flat), adversarial_rows(flat, seed, n_rows, alike)
        begun = forest.resumed(rows, columns)
        for kind in ("value", "margin"):
            whole = forest.inplace_predict(rows, predict_type=kind)
            np.testing.assert_array_equal(
                begun.inplace_predict(rows, predict_type=kind), whole, strict=True
            )
        some = np.arange(n_rows)[::3]
        np.testing.assert_array_equal(
            begun.take(some).inplace_predict(rows[some]),
            forest.inplace_predict(rows[some]),
        )


def test_all_trees_may_be_leading() -> None:
    flat = flatten(bytes(booster_of(n_features=7).save_raw("ubj")))
    forest, rows = FlatForest(flat), adversarial_rows(flat, seed=9, n_rows=300)
    begun = forest.resumed(rows, np.arange(7))
    assert begun.first == np.frombuffer(flat, HEADER, 1)["n_trees"][0]
    np.testing.assert_array_equal(
        begun.inplace_predict(rows), forest.inplace_predict(rows)
    )


@pytest.mark.parametrize(("first", "end"), [(-1, 3), (2, 1), (0, 10**6)])
def test_trees_that_there_are_not_are_refused(first: int, end: int) -> None:
    forest = Forest(flatten(bytes(booster_of().save_raw("ubj"))))
    rows = np.zeros((1, forest.n_features), dtype=np.float32)
    with pytest.raises(ValueError, match="there are no trees from"):
        forest.predict_into(
            rows, np.zeros((1, forest.n_groups), dtype=np.float32), False, first, end
        )


def test_a_base_of_minus_0_has_no_flat_form() -> None:
    booster = loads(bytes(booster_of().save_raw("ubj")))
    booster["learner"]["learner_model_param"]["base_score"] = "-0.0"
    with pytest.raises(UnknownShapeError, match="base score of -0"):
        flatten(dumps(booster))


def test_threads_share_a_forest() -> None:
    flat = flatten(bytes(booster_of().save_raw("ubj")))
    forest, rows = FlatForest(flat), adversarial_rows(flat, seed=6, n_rows=200)
    expected = forest.inplace_predict(rows)
    wrong: list[int] = []

    def ask(start: int) -> None:
        for length in (1, 30, 200 - start):
            part = slice(start, start + length)
            if not np.array_equal(forest.inplace_predict(rows[part]), expected[part]):
                wrong.append(start)

    threads = [
        threading.Thread(target=ask, args=(start,)) for start in range(0, 160, 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"booster": "dart"}, "booster dart"),
        ({"multi_strategy": "multi_output_tree"}, "vectors in leaves"),
        ({"objective": "multi:softmax"}, "objective multi:softmax"),
    ],
)
def test_what_the_flat_form_does_not_hold_is_said(
    params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnknownShapeError, match=reason):
        flatten(bytes(booster_of(rounds=2, **params).save_raw("ubj")))


def test_categories_are_not_held() -> None:
    values = np.random.default_rng(0).integers(0, 9, (200, 1)).astype(np.float32)
    matrix = xgboost.DMatrix(
        values, values[:, 0] % 3, feature_types=["c"], enable_categorical=True
    )
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3, "max_cat_to_onehot": 1},
        matrix,
        2,
    )
    with pytest.raises(UnknownShapeError, match="categorical"):
        flatten(bytes(booster.save_raw("ubj")))


# Files that are no flat form


def parts_of(flat: bytes) -> tuple[Any, bytes, Any, Any]:
    header = np.frombuffer(flat, HEADER, 1).copy()
    n_trees, n_nodes = int(header["n_trees"][0]), int(header["n_nodes"][0])
    nodes_at = len(flat) - n_nodes * NODE.itemsize
    trees_at = nodes_at - n_trees * TREE.itemsize
    trees = np.frombuffer(flat[trees_at:nodes_at], TREE).copy()
    return (
        header,
        flat[HEADER.itemsize : trees_at],
        trees,
        np.frombuffer(flat[nodes_at:], NODE).copy(),
    )


def damaged(flat: bytes, part: str, field: str, value: int, place: int = 0) -> bytes:
    header, base, trees, nodes = parts_of(flat)
    {"header": header, "tree": trees, "node": nodes}[part][field][place] = value
    return b"".join([header.tobytes(), base, trees.tobytes(), nodes.tobytes()])


@pytest.mark.parametrize(
    ("part", "field", "value", "fault"),
    [
        ("header", "version", 1, "another form"),
        ("header", "n_features", 0, "out of bounds"),
        ("header", "n_features", 1, "looks at"),
        ("header", "n_groups", 2**31, "out of bounds"),
        ("header", "n_trees", 2**32 - 1, "length"),
        ("header", "transform", 9, "out of bounds"),
        ("tree", "group", 5, "out of bounds"),
        ("tree", "depth", 1, "deeper than it says"),
        ("tree", "root", 1, "follow"),
        ("node", "first", 2**16 - 1, "outside its tree"),
        ("node", "first", 0, "a leaf looks at a feature"),
        ("node", "first", 3, "a node has no parent"),
        ("node", "column", 4000, "looks at no feature"),
    ],
)
def test_a_broken_file_is_refused(
    part: str, field: str, value: int, fault: str
) -> None:
    flat = flatten(bytes(booster_of().save_raw("ubj")))
    with pytest.raises(ValueError, match=f"not a flat forest: .*{fault}"):
        FlatForest(damaged(flat, part, field, value))


def test_a_node_of_two_parents_is_refused() -> None:
    flat = flatten(bytes(booster_of().save_raw("ubj")))
    with pytest.raises(ValueError, match="not a flat forest: a node has two parents"):
        FlatForest(damaged(flat, "node", "first", value=1, place=1))


def test_a_file_cut_short_is_refused() -> None:
    flat = flatten(bytes(booster_of(rounds=1).save_raw("ubj")))
    for length in (0, 8, 31, len(flat) - 1):
        with pytest.raises(ValueError, match="not a flat forest"):
            FlatForest(flat[:length])


def test_buffers_that_do_not_fit_are_refused() -> None:
    forest = FlatForest(flatten(bytes(booster_of().save_raw("ubj"))))
    with pytest.raises(ValueError, match="aren't rows of 7 and 5 float32"):
        forest.inplace_predict(np.zeros((3, 6), dtype=np.float32))
    with pytest.raises(ValueError, match="not C-contiguous"):
        forest.inplace_predict(np.zeros((7, 3), dtype=np.float32).T)


# What the server makes of it


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    artifact.save(model, EVALUATION, tmp_path)
    return tmp_path


def resave(model_dir: Path, name: str, data: bytes) -> None:
    """Replace a file of an artifact and say so in its manifest."""
    import hashlib
    import json

    manifest = json.loads((model_dir / "manifest.json").read_bytes())
    manifest["files"][name] = {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (model_dir / name).write_bytes(data)
    (model_dir / "manifest.json").write_bytes(artifact.to_json(manifest))


def change_leaves(model_dir: Path, name: str) -> None:
    """Make the leaves of a flat form greater by a thousandth or so, which their sums
    show too.
    """
    header, base, trees, nodes = parts_of((model_dir / name).read_bytes())
    leaves = np.flatnonzero(nodes["first"] == 0)
    nodes["key"][leaves] += 2**13  # so many floats on
    resave(
        model_dir,
        name,
        b"".join([header.tobytes(), base, trees.tobytes(), nodes.tobytes()]),
    )


def test_the_server_predicts_what_training_did(
    saved: Path, model: Model, ratings: RatingTable
) -> None:
    served = load(saved)
    assert isinstance(served.model.booster, FlatForest)
    assert served.is_well()
    expected = model.predict(ratings.queries())
    np.testing.assert_array_equal(
        served.model.predict(ratings.queries()).probabilities, expected.probabilities
    )


def test_a_regression_is_served_as_it_was_trained(
    gated: Model, ratings: RatingTable, tmp_path: Path
) -> None:
    artifact.save(gated, EVALUATION, tmp_path)
    served = load(tmp_path)
    assert isinstance(served.model.regression, FlatForest)
    assert served.is_well()
    known = ratings.queries()
    nobody, never = np.full(len(known), -1), np.full(len(known), np.nan)
    for user in (known.user_id, nobody):
        for time in (known.timestamp, never):
            queries = RatingQueries(user, known.movie_id, time)
            expected, found = gated.predict(queries), served.model.predict(queries)
            np.testing.assert_array_equal(found.probabilities, expected.probabilities)
            np.testing.assert_array_equal(
                found.expected_rating, expected.expected_rating
            )
            for row in range(0, len(queries), 37):
                alone = served.model.predict(queries.take(np.array([row])))
                assert alone.expected_rating[0] == expected.expected_rating[row]
    without = replace(gated, regression=None).predict(known).expected_rating
    assert not np.array_equal(gated.predict(known).expected_rating, without)


def test_nothing_of_xgboost_is_imported(saved: Path) -> None:
    script = (
        f"import sys; from pathlib import Path; from serve.served_model import load; load(Path({str(saved)!r}));"
        "print(sorted({'xgboost', 'pandas', 'scipy', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, check=True
        ).stdout
        == b"[]\n"
    )


def test_trees_that_differ_in_a_bit_are_not_used(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change_leaves(saved, "forest.bin")
    served = load(saved)
    assert isinstance(served.model.booster, xgboost.Booster)
    assert served.is_well()
    assert "predicting with XGBoost itself" in caplog.text
    assert "rows of the self-test" in caplog.text


def test_a_regression_that_differs_is_not_used(gated: Model, tmp_path: Path) -> None:
    artifact.save(gated, EVALUATION, tmp_path)
    change_leaves(tmp_path, "regression.bin")
    served = load(tmp_path)
    assert isinstance(served.model.booster, FlatForest)
    assert isinstance(served.model.regression, xgboost.Booster)
    assert served.is_well()


def test_a_broken_flat_form_is_not_used(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resave(saved, "forest.bin", b"HALFTREE")
    assert isinstance(load(saved).model.booster, xgboost.Booster)
    assert "not a flat forest: it is too short" in caplog.text


def test_a_model_without_flat_form_is_served_by_xgboost(
    model: Model, ratings: RatingTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values, target = (
        model.spec.transform(ratings.queries()).values,
        model.spec.scale.to_class(ratings.rating),
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(model.class_values),
        "booster": "dart",
    }
    matrix = xgboost.DMatrix(values, target, feature_names=list(model.spec.names))
    artifact.save(
        Model(model.spec, xgboost.train(params, matrix, 3)), EVALUATION, tmp_path
    )
    assert not (tmp_path / "forest.bin").exists()
    assert "no flat form of the trees (booster dart)" in caplog.text
    assert isinstance(load(tmp_path).model.booster, xgboost.Booster)


@pytest.mark.parametrize("name", ["probabilities", "stars"])
def test_a_model_that_fails_its_test_is_not_served(
    gated: Model, tmp_path: Path, name: str
) -> None:
    artifact.save(gated, EVALUATION, tmp_path)
    saved = tmp_path
    with np.load(saved / "self_test.npz") as archive:
        arrays = dict(archive)
    arrays[name] = arrays[name][::-1]
    with (saved / "changed.npz").open("wb") as file:
        np.savez(file, **arrays)
    resave(saved, "self_test.npz", (saved / "changed.npz").read_bytes())
    with pytest.raises(ArtifactError, match="away from those of training"):
        load(saved)


@pytest.mark.parametrize(
    "machine",
    [[], ["-DHAS_AVX512=0"], ["-DHAS_AVX512=0", "-DHAS_AVX2=0"]],
    ids=["this processor", "without AVX-512", "any processor"],
)
def test_under_the_sanitizers(machine: list[str], tmp_path: Path) -> None:
    """This module's tests of the kernel once more, with every access to memory and
    every operation watched.
    """
    if shutil.which("gcc") is None:
        debian.install("gcc", "libc6-dev")
    package = tmp_path / "serve"
    shutil.copytree(
        ROOT / "src" / "serve",
        package,
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    flags = [
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-shared",
        "-fPIC",
    ]
    include = f"-I{sysconfig.get_path('include')}"
    sources = sorted(map(str, package.glob("*.c")))
    command = [
        "gcc",
        *flags,
        *machine,
        "-DPy_LIMITED_API=0x030B0000",
        include,
        *sources,
        "-lm",
    ]
    subprocess.run([*command, "-o", str(package / "_forest.abi3.so")], check=True)
    runtime = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    for name, shape in {
        "forest": {},
        "large": {"n_rows": 2_000, "rounds": 2, "max_depth": 8},
    }.items():
        (tmp_path / f"{name}.bin").write_bytes(
            flatten(bytes(booster_of(**shape).save_raw("ubj")))
        )
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
