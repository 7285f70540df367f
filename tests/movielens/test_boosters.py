"""Boosters are proved here, in processes that may die of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

from movielens import ubjson
from movielens.boosters import BoosterFile, prove
from movielens.errors import ArtifactError
from movielens.proofs import ProofLimits, ShortageError
from tests.forests import booster_of
from tests.forging import crashing, with_tree

# Each proof imports XGBoost.
pytestmark = pytest.mark.slow

ROUNDS = 3
N_CLASSES = 5
N_FEATURES = 7
GOOD = bytes(booster_of(rounds=ROUNDS).save_raw("ubj"))


def file_of(content: bytes) -> BoosterFile:
    return BoosterFile("booster.ubj", content, N_CLASSES, N_FEATURES)


def fault(content: bytes, limits: ProofLimits | None = None) -> str:
    with pytest.raises(ArtifactError) as raised:
        prove([file_of(content)], limits)
    return str(raised.value)


def regression() -> bytes:
    values = np.arange(70, dtype=np.float32).reshape(10, N_FEATURES)
    matrix = xgboost.DMatrix(values, values[:, 0])
    booster = xgboost.train({"objective": "reg:squarederror"}, matrix, 2)
    return bytes(booster.save_raw("ubj"))


def test_good_boosters_pass_and_their_rounds_are_known() -> None:
    files = [file_of(GOOD), BoosterFile("regression.ubj", regression(), 0, N_FEATURES)]
    assert prove(files) == [ROUNDS, 2]


def test_a_booster_without_a_flat_form_passes() -> None:
    dart = bytes(booster_of(rounds=2, booster="dart").save_raw("ubj"))
    assert prove([file_of(dart)]) == [2]


def test_a_booster_that_crashes_xgboost_ends_a_process_of_its_own() -> None:
    assert "SIGSEGV" in fault(crashing(GOOD))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("split_indices", 10**9),
        ("split_indices", N_FEATURES),
        ("right_children", 10**6),
        ("left_children", 0),  # round in a circle
    ],
)
def test_trees_that_lead_nowhere_are_refused(field: str, value: int) -> None:
    assert "leads nowhere" in fault(with_tree(GOOD, field, node=0, value=value))


def test_a_tree_of_a_class_that_is_not_there_is_refused() -> None:
    model = ubjson.loads(GOOD)
    model["learner"]["gradient_booster"]["model"]["tree_info"][-1] = N_CLASSES
    assert "isn't there" in fault(ubjson.dumps(model))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"no booster", GOOD[:-100], bytes(1000)],
    ids=["empty", "one byte", "text", "cut", "zeros"],
)
def test_what_is_no_booster_is_refused(content: bytes) -> None:
    assert "booster.ubj: " in fault(content) or "ends its process" in fault(content)


def test_other_classes_or_features_are_refused() -> None:
    assert "has 0 classes and 7 features, expected 5 and 7" in fault(regression())
    wider = bytes(booster_of(rounds=1, n_features=8).save_raw("ubj"))
    assert "has 5 classes and 8 features, expected 5 and 7" in fault(wider)


def test_a_proof_has_a_deadline() -> None:
    limits = ProofLimits(seconds=1e-6, n_bytes=len(GOOD))
    assert "takes too long" in fault(GOOD, limits)


def test_a_proof_has_a_limit_on_its_memory() -> None:
    many = bytes(booster_of(rounds=2, n_features=20_000, n_rows=30).save_raw("ubj"))
    model = ubjson.loads(many)
    model["learner"]["attributes"] = {"long": "x" * 2**26}
    long = BoosterFile("booster.ubj", ubjson.dumps(model), N_CLASSES, 20_000)
    with pytest.raises(ArtifactError):
        prove([long], ProofLimits(seconds=60, n_bytes=1))
    assert prove([long]) == [2]


def test_without_a_process_nothing_is_said_of_the_booster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ShortageError, match="no process could be started"):
        prove([file_of(GOOD)])


def test_without_xgboost_nothing_is_said_of_the_booster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xgboost.py").write_text("raise MemoryError('no room')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ShortageError, match=r"can't be started .*\(no room\)"):
        prove([file_of(GOOD)])


def test_a_proof_keeps_to_limits_that_are_there_already() -> None:
    script = """
import resource, sys
from movielens.boosters import BoosterFile, prove

most = 160 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
content = sys.stdin.buffer.read()
print(prove([BoosterFile("booster.ubj", content, 5, 7)]))
"""
    command = [sys.executable, "-c", script]
    if os.geteuid() == 0:
        # Root may raise any limit.
        no_more = ("--bounding-set=-sys_resource", "--inh-caps=-sys_resource")
        command = ["setpriv", *no_more, *command]
    run = subprocess.run(command, input=GOOD, capture_output=True, check=False)
    assert run.stdout == b"[3]\n", run.stderr


def test_nothing_is_imported_from_where_the_job_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("xgboost", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert prove([file_of(GOOD)]) == [ROUNDS]
