from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.manifest import SCHEMA_VERSION, FileEntry
from movielens.model import Model
from movielens.predictions import DECISIONS, Decision
from movielens.ratings import HALF_STARS
from movielens.tables import RatingTable
from tests.examples import EVALUATION


@pytest.fixture
def saved(small_model: Model, tmp_path: Path) -> Path:
    """The directory of a saved model."""
    artifact.save(small_model, EVALUATION, tmp_path)
    return tmp_path


@pytest.fixture
def saved_with_regression(model_with_regression: Model, tmp_path: Path) -> Path:
    """The directory of a saved model with a regression."""
    artifact.save(model_with_regression, EVALUATION, tmp_path)
    return tmp_path


def change_manifest(model_dir: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = model_dir / "manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def replace_file(model_dir: Path, name: str, data: bytes) -> None:
    """Replace a file, in the manifest too."""

    def enter(manifest: dict[str, Any]) -> None:
        entry = FileEntry.of(data)
        manifest["files"][name] = {"bytes": entry.n_bytes, "sha256": entry.sha256}

    (model_dir / name).write_bytes(data)
    change_manifest(model_dir, enter)


# What is saved


def test_a_loaded_model_predicts_the_same_bits(
    small_model: Model, saved: Path, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    np.testing.assert_array_equal(
        artifact.load(saved).predict(queries).probabilities,
        small_model.predict(queries).probabilities,
    )


def test_equal_models_give_equal_bytes(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    artifact.save(artifact.load(saved), EVALUATION, other)
    for path in other.iterdir():
        assert path.read_bytes() == (saved / path.name).read_bytes(), path.name


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_decision_is_saved(
    small_model: Model, ratings: RatingTable, tmp_path: Path, decision: Decision
) -> None:
    model = replace(small_model, decision=decision)
    artifact.save(model, EVALUATION, tmp_path)
    loaded = artifact.load(tmp_path)
    assert loaded.decision == decision

    queries = ratings.queries()
    np.testing.assert_array_equal(
        loaded.predict(queries).class_index, model.predict(queries).class_index
    )


def test_the_manifest_describes_the_model(saved: Path, small_model: Model) -> None:
    manifest = json.loads((saved / "manifest.json").read_bytes())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["class_values"] == list(HALF_STARS)
    assert manifest["decision"] == "mode"
    assert manifest["feature_names"] == list(small_model.spec.names)
    assert manifest["training"] == EVALUATION.data.numbers()
    assert manifest["versions"]["xgboost"] == xgboost.__version__

    (saved / "manifest.json").unlink()
    sizes = {path.name: path.stat().st_size for path in saved.iterdir()}
    assert set(manifest["files"]) == set(sizes)
    for name, size in sizes.items():
        assert manifest["files"][name]["bytes"] == size


def test_the_size_is_that_of_all_files(saved: Path) -> None:
    manifest_size = (saved / "manifest.json").stat().st_size
    all_sizes = sum(path.stat().st_size for path in saved.iterdir())
    assert artifact.size(saved) == all_sizes - manifest_size
    assert artifact.read(saved).n_bytes == artifact.size(saved)


@pytest.mark.parametrize("name", ["features.npz", "self_test.npz"])
def test_no_array_needs_pickle(saved: Path, name: str) -> None:
    with np.load(saved / name, allow_pickle=False) as arrays:
        for array in arrays.values():
            assert array.dtype != object


def test_only_xgboosts_own_booster_is_saved(small_model: Model, tmp_path: Path) -> None:
    class Constant:
        def inplace_predict(self, *_rows: Any, **_options: Any) -> Any:
            return 0.0

    with pytest.raises(TypeError, match="only XGBoost's own booster"):
        artifact.save(replace(small_model, booster=Constant()), EVALUATION, tmp_path)


def test_a_directory_that_cannot_be_written_is_named(
    small_model: Model, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="nowhere"):
        artifact.save(small_model, EVALUATION, tmp_path / "nowhere")


# Regressions


def test_a_loaded_regression_predicts_the_same_bits(
    model_with_regression: Model, ratings: RatingTable, saved_with_regression: Path
) -> None:
    queries = ratings.queries()
    np.testing.assert_array_equal(
        artifact.load(saved_with_regression).predict(queries).expected_rating,
        model_with_regression.predict(queries).expected_rating,
    )


def test_a_model_without_regression_leaves_nothing_of_an_earlier_one(
    small_model: Model, saved_with_regression: Path
) -> None:
    artifact.save(small_model, EVALUATION, saved_with_regression)
    assert not list(saved_with_regression.glob("regression.*"))
    assert artifact.load(saved_with_regression).regression is None


@pytest.mark.parametrize("name", ["regression.ubj", "regression.bin"])
def test_a_damaged_or_absent_regression_is_refused(
    saved_with_regression: Path, name: str
) -> None:
    path = saved_with_regression / name
    flip_a_bit(path)
    with pytest.raises(ArtifactError, match=rf"{name} isn't what training wrote"):
        artifact.read(saved_with_regression)
    path.unlink()
    with pytest.raises(ArtifactError, match=rf"can't read .*{name}"):
        artifact.read(saved_with_regression)


def test_a_regression_that_the_manifest_lacks_is_missed(
    saved_with_regression: Path,
) -> None:
    def drop_regression(manifest: dict[str, Any]) -> None:
        del manifest["files"]["regression.ubj"]
        del manifest["files"]["regression.bin"]

    change_manifest(saved_with_regression, drop_regression)
    with pytest.raises(ArtifactError, match=r"disagree on regression\.ubj"):
        artifact.read(saved_with_regression)


def test_a_booster_of_classes_is_refused_as_a_regression(
    small_model: Model, tmp_path: Path
) -> None:
    model = replace(small_model, regression=small_model.booster)
    artifact.save(model, EVALUATION, tmp_path)
    expected = r"regression\.ubj has 10 classes and .* expected 0"
    with pytest.raises(ArtifactError, match=expected):
        artifact.load(tmp_path)


# What is refused


@pytest.mark.parametrize("name", ["booster.ubj", "features.npz", "evaluation.json"])
def test_a_changed_bit_is_found(saved: Path, name: str) -> None:
    flip_a_bit(saved / name)
    with pytest.raises(ArtifactError, match=rf"{name} isn't what training wrote"):
        artifact.load(saved)


@pytest.mark.parametrize("name", ["booster.ubj", "features.npz", "evaluation.json"])
def test_an_absent_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        artifact.load(saved)


def test_an_empty_file_is_named(saved: Path) -> None:
    (saved / "forest.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"can't read .*forest\.bin"):
        artifact.read(saved)


@pytest.mark.parametrize("name", ["features.npz", "self_test.npz"])
def test_arrays_that_the_manifest_vouches_for_may_still_be_broken(
    saved: Path, name: str
) -> None:
    whole = (saved / name).read_bytes()
    replace_file(saved, name, whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match=rf"{name} can't be read"):
        artifact.read(saved)

    with (saved / name).open("wb") as file:
        np.savez(file, other=np.arange(3))
    replace_file(saved, name, (saved / name).read_bytes())
    with pytest.raises(ArtifactError, match="train again with this version"):
        artifact.read(saved)


def test_a_broken_booster_is_named(saved: Path) -> None:
    replace_file(saved, "booster.ubj", b"{ no booster")
    found = artifact.read(saved)
    with pytest.raises(ArtifactError, match=r"booster\.ubj"):
        found.booster()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_values", [1.0, 2.0, 3.0, 4.0, 5.0]),
        ("feature_names", ["another"]),
        ("files", {}),
        ("files", {"../other": {"bytes": 1, "sha256": ""}}),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    saved: Path, name: str, value: object
) -> None:
    change_manifest(saved, lambda manifest: manifest.update({name: value}))
    with pytest.raises(ArtifactError):
        artifact.read(saved)


def test_a_manifest_with_an_unknown_file_is_refused(saved: Path) -> None:
    replace_file(saved, "other.bin", b"data")
    with pytest.raises(ArtifactError, match=r"manifest\.json names .*other\.bin"):
        artifact.read(saved)
