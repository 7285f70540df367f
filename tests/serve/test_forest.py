"""The forest in C against XGBoost, bit for bit, and its refusals."""

from __future__ import annotations

import sysconfig
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from movielens.features.cases import GATES
from movielens.flat_forest import parts_of
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from serve._forest import Forest
from serve.forest import CUT_ROWS, FlatForest
from tests.forests import adversarial_rows, booster_of, damaged, flat_of, with_copies
from tests.sanitizers import gcc, run_watched

ROOT = Path(__file__).parent.parent.parent

# The widest vectors to use. A processor that doesn't have them uses what it has.
VECTOR_BITS = {"AVX-512": 512, "AVX2": 256, "no AVX": 0}


def assert_equal_bits(booster: xgboost.Booster, rows: NDArray[np.float32]) -> None:
    """Whole and cut forests have XGBoost's answers by all vectors and without any."""
    flat = flat_of(booster)
    forests = [
        FlatForest(flat, cut_rows=cut_rows, vector_bits=vector_bits)
        for cut_rows in (20, CUT_ROWS)
        for vector_bits in VECTOR_BITS.values()
    ]
    for kind in ("value", "margin"):
        expected = booster.inplace_predict(rows, predict_type=kind)
        expected = expected.reshape(len(rows), -1)
        for forest in forests:
            found = forest.inplace_predict(rows, predict_type=kind)
            np.testing.assert_array_equal(found, expected, strict=True)


def test_20_000_adversarial_rows_have_the_bits_of_xgboost() -> None:
    booster = booster_of(n_features=30, n_rows=1000, rounds=40)
    rows = adversarial_rows(flat_of(booster), seed=1, n_rows=20_000)
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
    rows = adversarial_rows(flat_of(booster), seed, n_rows, alike)
    assert_equal_bits(booster, rows)


# Up to 128 leaves fit in four words of bits; rows walk down larger trees.
@pytest.mark.parametrize(
    "n_leaves", [2, 8, 9, 16, 17, 31, 32, 33, 64, 65, 96, 97, 128, 129, 200]
)
def test_trees_of_any_size_have_the_bits_of_xgboost(n_leaves: int) -> None:
    booster = booster_of(
        n_leaves,
        n_rows=2_000,
        rounds=2,
        max_leaves=n_leaves,
        max_depth=0,
        grow_policy="lossguide",
    )
    leaves = booster.trees_to_dataframe().query("Feature == 'Leaf'")
    assert leaves.groupby("Tree").size().max() == n_leaves

    flat = flat_of(booster)
    for n_rows, alike in ((50, 0.0), (600, 0.0), (600, 0.9)):
        rows = adversarial_rows(flat, n_leaves, n_rows, alike)
        assert_equal_bits(booster, rows)


@pytest.mark.parametrize("n_leaves", [1, 2, 17, 33, 64, 97, 128, 200])
@pytest.mark.parametrize("n_classes", [2, 5, 10])
def test_trees_that_differ_in_their_leaves_alone_have_the_bits_of_xgboost(
    n_leaves: int, n_classes: int
) -> None:
    booster = booster_of(
        n_leaves,
        n_rows=2_000,
        rounds=20,
        num_class=n_classes,
        max_leaves=n_leaves,
        max_depth=0,
        grow_policy="lossguide",
        gamma=1e9 if n_leaves == 1 else 0.0,
    )
    copied = with_copies(booster, n_leaves)
    flat = flat_of(copied)
    for n_rows, alike in ((50, 0.0), (600, 0.0), (600, 0.9)):
        rows = adversarial_rows(flat, n_leaves, n_rows, alike)
        assert_equal_bits(copied, rows)


def test_a_regression_has_the_bits_of_xgboost() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(300, 5)).astype(np.float32)
    stars = rng.normal(3.5, 1, 300)
    matrix = xgboost.DMatrix(values, stars)
    params = {"objective": "reg:squarederror", "nthread": 1}
    booster = xgboost.train(params, matrix, 20)

    rows = adversarial_rows(flat_of(booster), seed=4, n_rows=600)
    assert_equal_bits(booster, rows)


def test_gates_and_averaged_seeds_have_the_bits_of_xgboost(
    gated: Model, ratings: RatingTable
) -> None:
    booster = gated.booster
    assert isinstance(booster, xgboost.Booster)
    roots = booster.trees_to_dataframe().query("Node == 0")
    assert set(roots.Feature) == set(GATES)

    known = ratings.queries()
    nobody = np.full(len(known), -1)
    never = np.full(len(known), np.nan)
    each = []
    for user in (known.user_id, nobody):
        for time in (known.timestamp, never):
            queries = RatingQueries(user, known.movie_id, time)
            each.append(gated.spec.transform(queries).values)
    rows = np.concatenate(each)
    # XGBoost takes other paths through its code for a single row than for many.
    for some in (rows[:1], rows[-1:], rows, *each):
        assert_equal_bits(booster, some)
    adversarial = adversarial_rows(flat_of(booster), seed=8, n_rows=2_000)
    assert_equal_bits(booster, adversarial)


@pytest.mark.parametrize("vector_bits", VECTOR_BITS.values(), ids=VECTOR_BITS)
def test_rows_have_the_same_answers_alone_and_among_others(vector_bits: int) -> None:
    flat = flat_of(booster_of())
    forest = FlatForest(flat, vector_bits=vector_bits)
    rows = adversarial_rows(flat, seed=5, n_rows=1_100, alike=0.7)
    together = forest.inplace_predict(rows)

    few = range(70)
    many = (255, 256, CUT_ROWS - 1, CUT_ROWS, CUT_ROWS + 1)
    for n_rows in (*few, *many):
        found = forest.inplace_predict(rows[:n_rows])
        np.testing.assert_array_equal(found, together[:n_rows])


def test_vectors_are_as_wide_as_asked_or_what_the_processor_has() -> None:
    parts = parts_of(flat_of(booster_of()))

    def widest(vector_bits: int) -> int:
        forest = Forest(
            parts.base_margins,
            parts.trees,
            parts.nodes,
            n_features=parts.n_features,
            softmax=parts.softmax,
            cut_rows=CUT_ROWS,
            vector_bits=vector_bits,
        )
        return forest.vector_bits

    assert widest(0) == 0
    assert widest(255) == 0
    assert widest(256) in (0, 256)
    assert widest(512) in (0, 256, 512)
    assert widest(256) <= widest(512) == widest(2**20)


# Forests that go on from the margins of their first trees


def test_threads_share_a_forest() -> None:
    flat = flat_of(booster_of())
    forest = FlatForest(flat)
    rows = adversarial_rows(flat, seed=6, n_rows=200)
    expected = forest.inplace_predict(rows)
    wrong: list[int] = []

    def ask(start: int) -> None:
        for n_rows in (1, 30, 200 - start):
            part = slice(start, start + n_rows)
            found = forest.inplace_predict(rows[part])
            if not np.array_equal(found, expected[part]):
                wrong.append(start)

    starts = range(0, 160, 10)
    threads = [threading.Thread(target=ask, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Tables that are no forest


@pytest.mark.parametrize(
    ("part", "field", "value", "fault"),
    [
        ("header", "n_features", 1, "looks at"),
        ("tree", "group", 5, "tree 0: it belongs to no group"),
        ("tree", "depth", 1, "tree 0: it is deeper than its depth says"),
        ("tree", "root", 1, "tree 0: it doesn't begin where the one before ends"),
        ("node", "first", 2**16 - 1, "tree 0: a node's children lie outside its tree"),
        ("node", "first", 0, "tree 0: a leaf looks at a feature"),
        ("node", "first", 3, "tree 0: a node has no parent"),
        ("node", "column", 2 * 7, "tree 0: a node looks at no feature"),
        ("node", "column", 4000, "tree 0: a node looks at no feature"),
    ],
)
def test_a_broken_table_is_refused_by_tree(
    part: str, field: str, value: int, fault: str
) -> None:
    flat = damaged(flat_of(booster_of()), part, field, value)
    with pytest.raises(ValueError, match=f"not a flat forest: .*{fault}"):
        FlatForest(flat)


def test_a_child_just_behind_its_tree_is_refused() -> None:
    flat = flat_of(booster_of())
    parts = parts_of(flat)
    its_nodes = parts.nodes[: parts.trees["root"][1]]
    last_inner = int(np.flatnonzero(its_nodes["first"])[-1])
    first = int(its_nodes["first"][last_inner])
    assert last_inner + first + 2 == len(its_nodes)
    broken = damaged(flat, "node", "first", first + 1, last_inner)
    with pytest.raises(ValueError, match="tree 0: a node's children lie outside"):
        FlatForest(broken)


def test_a_node_with_two_parents_is_refused() -> None:
    flat = damaged(flat_of(booster_of()), "node", "first", value=1, place=1)
    with pytest.raises(ValueError, match="tree 0: a node has two parents"):
        FlatForest(flat)


def tables_of(flat: bytes) -> dict[str, Any]:
    """The arguments of a `Forest`."""
    parts = parts_of(flat)
    return {
        "base_margins": parts.base_margins,
        "trees": parts.trees,
        "nodes": parts.nodes,
        "n_features": parts.n_features,
        "softmax": parts.softmax,
        "cut_rows": CUT_ROWS,
        "vector_bits": 512,
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"n_features": 0}, "it has 0 features"),
        ({"n_features": 2**15}, "it has 32768 features"),
        ({"n_features": 2**62}, "it has 4611686018427387904 features"),
        ({"n_features": -(2**63)}, "it has -9223372036854775808 features"),
        ({"base_margins": np.frombuffer(b"1234", "<f4")[:0]}, "it has no groups"),
        ({"base_margins": np.zeros(2, "<f8")}, "of the format f, not d"),
        ({"nodes": b"12345678"}, "nodes: expected an array of the format T{I:key"),
        ({"trees": np.zeros(2, "<u8")}, "trees: expected an array of the format T{I:r"),
    ],
)
def test_tables_of_other_kinds_are_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Forest(**tables_of(flat_of(booster_of())) | changes)


def test_tables_that_could_change_are_refused() -> None:
    tables = tables_of(flat_of(booster_of()))
    for name in ("base_margins", "trees", "nodes"):
        changeable = tables[name].copy()
        with pytest.raises(ValueError, match=f"{name}: expected a read-only"):
            Forest(**tables | {name: changeable})


def test_nodes_without_trees_are_refused() -> None:
    tables = tables_of(flat_of(booster_of()))
    with pytest.raises(ValueError, match="not a flat forest: it has no trees"):
        Forest(**tables | {"trees": tables["trees"][:0]})


def test_buffers_of_the_wrong_size_are_refused() -> None:
    forest = FlatForest(flat_of(booster_of()))
    too_narrow = np.zeros((3, 6), dtype=np.float32)
    with pytest.raises(ValueError, match="aren't rows of 7 and 5 float32"):
        forest.inplace_predict(too_narrow)

    turned = np.zeros((7, 3), dtype=np.float32).T
    with pytest.raises(ValueError, match="not C-contiguous"):
        forest.inplace_predict(turned)


# Under the sanitizers


@pytest.fixture(scope="module")
def watched_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension, built so that it stops at any wrong access or operation, and flat
    forms for it.
    """
    directory = tmp_path_factory.mktemp("watched")
    package = directory / "serve"
    package.mkdir()
    (package / "__init__.py").touch()
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    python = ["-DPy_LIMITED_API=0x030B0000", f"-I{sysconfig.get_path('include')}"]
    flags = ["-O1", "-g", "-shared", "-fPIC", *sanitizers, *python]
    sources = sorted((ROOT / "src" / "serve").glob("*.c"))
    output = package / "_forest.abi3.so"
    gcc(*flags, *sources, "-lm", "-o", output)

    large = booster_of(n_rows=2_000, rounds=2, max_depth=8)
    (directory / "small.bin").write_bytes(flat_of(booster_of()))
    (directory / "large.bin").write_bytes(flat_of(large))
    return directory


@pytest.mark.parametrize("vector_bits", VECTOR_BITS.values(), ids=VECTOR_BITS)
def test_under_the_sanitizers(watched_dir: Path, vector_bits: int) -> None:
    """See forest_under_sanitizers.py."""
    run_watched(
        Path(__file__).with_name("forest_under_sanitizers.py"),
        watched_dir,
        str(vector_bits),
    )
