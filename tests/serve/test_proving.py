"""Models are proved here, some in a process that dies of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.flat_forest import flatten
from movielens.model import Model
from movielens.proofs import ProofLimits
from movielens.tables import RatingTable
from serve.proving import Proof, fingerprint, prove
from serve.registry import Line
from tests.examples import EVALUATION
from tests.forging import change_tree, make_crashing, resave

LIMITS = ProofLimits(seconds=60, n_bytes=2**20)


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the small model, to be changed."""
    return shutil.copytree(model_dir, tmp_path / "copy")


def fault(line: Line, path: Path, limits: ProofLimits = LIMITS) -> str:
    with pytest.raises(ArtifactError) as raised:
        line.prove(path, path.parent, limits)
    return str(raised.value)


def test_a_good_model_passes_here_and_in_another_process(
    model_dir: Path, line: Line
) -> None:
    proof = prove(model_dir)
    read = artifact.read(model_dir)
    assert proof == Proof(fingerprint(read.manifest), read.n_bytes)
    assert line.prove(model_dir, model_dir.parent, LIMITS) == proof


def test_a_model_with_all_that_there_is_passes(gated: Model, tmp_path: Path) -> None:
    artifact.save(gated, EVALUATION, tmp_path)
    assert prove(tmp_path).n_bytes == artifact.size(tmp_path)


@pytest.mark.slow
def test_a_model_without_a_flat_form_passes(
    model: Model, ratings: RatingTable, tmp_path: Path
) -> None:
    matrix = xgboost.DMatrix(
        model.spec.transform(ratings.queries()).values,
        model.spec.scale.to_class(ratings.rating),
        feature_names=list(model.spec.names),
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(model.class_values),
        "booster": "dart",
    }
    dart = Model(model.spec, xgboost.train(params, matrix, 3))
    artifact.save(dart, EVALUATION, tmp_path)
    assert prove(tmp_path).n_bytes == artifact.size(tmp_path)


def test_the_fingerprint_changes_with_any_file(copy: Path) -> None:
    before = prove(copy).fingerprint
    resave(copy, "evaluation.json", b"{}")
    assert prove(copy).fingerprint != before


def test_a_booster_that_crashes_xgboost_ends_a_process_of_its_own(
    copy: Path, line: Line
) -> None:
    make_crashing(copy)
    assert "SIGSEGV" in fault(line, copy)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("split_indices", 10**9),
        ("split_indices", 2**16),  # would be 0 in the flat form
        ("right_children", 10**6),
        ("right_children", -5),
        ("left_children", -2),
        ("left_children", 0),  # round in a circle
    ],
)
def test_a_booster_whose_trees_lead_nowhere_is_refused(
    copy: Path, line: Line, field: str, value: int
) -> None:
    change_tree(copy, field, node=0, value=value)
    assert "not a booster as XGBoost writes it" in fault(line, copy)


def test_a_booster_whose_flat_form_was_left_out_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    del manifest["files"]["forest.bin"]
    (copy / "manifest.json").write_bytes(artifact.to_json(manifest))
    with pytest.raises(ArtifactError, match="have other trees"):
        prove(copy)


def test_a_booster_with_other_trees_than_the_flat_form_is_refused(copy: Path) -> None:
    booster = xgboost.Booster(model_file=copy / "booster.ubj")
    other = bytes(booster[:4].save_raw("ubj"))
    assert flatten(other) != (copy / "forest.bin").read_bytes()
    resave(copy, "booster.ubj", other)
    with pytest.raises(ArtifactError, match="have other trees"):
        prove(copy)


def test_a_proof_has_a_deadline(model_dir: Path, line: Line) -> None:
    limits = ProofLimits(seconds=0.005, n_bytes=LIMITS.n_bytes)
    assert "takes too long" in fault(line, model_dir, limits)


def test_a_proof_has_a_limit_on_its_memory(copy: Path, line: Line) -> None:
    self_test = dict(np.load(copy / "self_test.npz"))
    self_test["unused"] = np.zeros(2**26, dtype=np.uint8)
    with (copy / "new.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **self_test)
    resave(copy, "self_test.npz", (copy / "new.npz").read_bytes())
    assert fault(line, copy, ProofLimits(seconds=60, n_bytes=1))
    assert line.prove(copy, copy.parent, ProofLimits(seconds=60, n_bytes=2**26))


def test_a_fault_has_a_short_message(copy: Path, line: Line) -> None:
    (copy / "manifest.json").write_text('{"schema_version": "' + "x" * 10**6 + '"}')
    assert len(fault(line, copy)) < 1500
