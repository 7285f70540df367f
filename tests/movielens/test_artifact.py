from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.manifest import SCHEMA_VERSION, FileEntry, sha256_of
from movielens.model import Model
from movielens.predictions import DECISIONS, Decision
from movielens.ratings import HALF_STARS
from movielens.signature import SigningKeyError
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
    with pytest.raises(ArtifactError, match=r"forest\.bin isn't .* 0 bytes"):
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


# What other programs do to the files


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("name", ["manifest.json", "booster.ubj", "features.npz"])
def test_only_regular_files_are_read(
    saved: Path, name: str, make: Callable[[Path], None]
) -> None:
    (saved / name).unlink()
    make(saved / name)
    for read in (artifact.read, artifact.size):
        with pytest.raises(ArtifactError, match=rf"{name}: it is no regular file"):
            read(saved)


def test_a_file_longer_than_the_manifest_says_is_not_read(saved: Path) -> None:
    with (saved / "booster.ubj").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ArtifactError, match=r"booster\.ubj: it has 1099511627776 by"):
        artifact.read(saved)


def test_the_size_is_measured_whatever_the_manifest_says(saved: Path) -> None:
    def say_little(manifest: dict[str, Any]) -> None:
        for entry in manifest["files"].values():
            entry["bytes"] = 1

    before = artifact.size(saved)
    change_manifest(saved, say_little)
    assert artifact.size(saved) == before
    with pytest.raises(ArtifactError, match="expected at most 1"):
        artifact.read(saved)


def test_files_that_change_after_they_were_read_change_nothing(
    model_with_regression: Model, saved_with_regression: Path, ratings: RatingTable
) -> None:
    found = artifact.read(saved_with_regression)
    forest = found.forest
    assert forest is not None
    digest = sha256_of(forest)
    # As `cp` does it: the same files, first empty and then with other content.
    for path in saved_with_regression.iterdir():
        path.write_bytes(b"")
        path.write_bytes(b"another model")

    assert sha256_of(forest) == digest
    regression = found.regression()
    assert regression is not None
    model = Model(found.spec, found.booster(), found.decision, regression)
    queries = ratings.queries()
    np.testing.assert_array_equal(
        model.predict(queries).expected_rating,
        model_with_regression.predict(queries).expected_rating,
    )


def test_links_to_the_files_are_followed(saved: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for path in [*saved.iterdir()]:
        if path.is_file():
            (mounted / path.name).symlink_to(path)
    assert artifact.read(mounted).n_bytes == artifact.size(saved)


# Signatures

KEY = "0123456789abcdef0123456789abcdef"


def test_with_a_key_a_model_is_signed_and_otherwise_the_same(
    saved: Path, small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = tmp_path / "signed"
    signed.mkdir()
    monkeypatch.setenv("HALFSTAR_SIGNING_KEY", KEY)
    artifact.save(small_model, EVALUATION, signed)
    names = {path.name for path in saved.iterdir() if path.is_file()}
    assert {path.name for path in signed.iterdir()} == names | {"manifest.sig"}
    for name in names:
        assert (signed / name).read_bytes() == (saved / name).read_bytes()

    assert artifact.size(signed) == artifact.read(signed).n_bytes
    monkeypatch.delenv("HALFSTAR_SIGNING_KEY")
    assert artifact.read(signed).n_bytes == artifact.size(signed)


def test_with_a_key_only_signed_models_are_read(
    saved: Path, small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFSTAR_SIGNING_KEY", KEY)
    for read in (artifact.read, artifact.size):
        with pytest.raises(ArtifactError, match=r"has no manifest\.sig, and a signing"):
            read(saved)

    artifact.save(small_model, EVALUATION, saved)
    artifact.read(saved)
    # A file with the hash that fits, as only someone without the key would do it.
    replace_file(saved, "evaluation.json", b"{}")
    for read in (artifact.read, artifact.size):
        with pytest.raises(ArtifactError, match="isn't the signature of the manifest"):
            read(saved)


def test_a_model_saved_without_a_key_has_no_earlier_signature(
    small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFSTAR_SIGNING_KEY", KEY)
    artifact.save(small_model, EVALUATION, tmp_path)
    monkeypatch.delenv("HALFSTAR_SIGNING_KEY")
    artifact.save(small_model, EVALUATION, tmp_path)
    assert not (tmp_path / "manifest.sig").exists()


def test_a_key_that_cannot_be_used_is_said_before_anything_is_written(
    small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFSTAR_SIGNING_KEY", "short")
    with pytest.raises(SigningKeyError, match="has 5 bytes"):
        artifact.save(small_model, EVALUATION, tmp_path)
    assert not [*tmp_path.iterdir()]
