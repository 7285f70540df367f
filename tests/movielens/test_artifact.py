from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.predictions import DECISIONS, Decision
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.self_test import SelfTest
from movielens.tables import MovieTable, RatingTable
from tests.examples import EVALUATION


@pytest.fixture(scope="module")
def model(ratings: RatingTable, movies: MovieTable) -> Model:
    spec = FeatureSpec.fit(ratings, movies)
    scale = RatingScale.of(ratings.rating)
    matrix = xgboost.DMatrix(
        spec.transform(ratings.queries()).values,
        scale.to_class(ratings.rating),
        feature_names=list(spec.names),
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(scale.class_values),
        "max_depth": 4,
    }
    return Model(spec, xgboost.train(params, matrix, 12))


@pytest.fixture(scope="module")
def with_regression(model: Model, ratings: RatingTable) -> Model:
    matrix = xgboost.DMatrix(
        model.spec.transform(ratings.queries()).values,
        ratings.rating,
        feature_names=list(model.spec.names),
    )
    return replace(
        model,
        regression=xgboost.train(
            {"objective": "reg:squarederror", "max_depth": 3}, matrix, 9
        ),
    )


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    artifact.save(model, EVALUATION, tmp_path)
    return tmp_path


def test_loaded_predicts_the_same_bits(
    model: Model, saved: Path, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    np.testing.assert_array_equal(
        artifact.load(saved).predict(queries).probabilities,
        model.predict(queries).probabilities,
    )


def test_equal_models_give_equal_bytes(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    artifact.save(artifact.load(saved), EVALUATION, other)
    for path in other.iterdir():
        assert path.read_bytes() == (saved / path.name).read_bytes(), path.name


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_decision_is_the_models_own(
    model: Model, ratings: RatingTable, tmp_path: Path, decision: Decision
) -> None:
    deciding = replace(model, decision=decision)
    artifact.save(deciding, EVALUATION, tmp_path)
    loaded, queries = artifact.load(tmp_path), ratings.queries()
    assert loaded.decision == decision
    np.testing.assert_array_equal(
        loaded.predict(queries).class_index, deciding.predict(queries).class_index
    )


def test_manifest_says_what_the_model_is(saved: Path, model: Model) -> None:
    manifest = json.loads((saved / "manifest.json").read_bytes())
    assert manifest["schema_version"] == artifact.SCHEMA_VERSION
    assert manifest["class_values"] == [0.5 * k for k in range(1, 11)]
    assert manifest["decision"] == "mode"
    assert manifest["feature_names"] == list(model.spec.names)
    assert manifest["training"] == EVALUATION.data.numbers()
    assert manifest["versions"]["xgboost"] == xgboost.__version__
    assert set(manifest["files"]) == {p.name for p in saved.iterdir()} - {
        "manifest.json"
    }


def test_nothing_needs_pickle(saved: Path) -> None:
    with zipfile.ZipFile(saved / "features.npz") as archive:
        for name in archive.namelist():
            assert (
                np.lib.format.read_array(archive.open(name), allow_pickle=False).dtype
                != object
            )  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["booster.ubj", "features.npz", "evaluation.json"])
def test_a_changed_byte_is_found(saved: Path, name: str) -> None:
    data = bytearray((saved / name).read_bytes())
    data[len(data) // 2] ^= 1
    (saved / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{name} isn't what training wrote"):
        artifact.load(saved)


@pytest.mark.parametrize("name", ["booster.ubj", "features.npz", "evaluation.json"])
def test_an_absent_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        artifact.load(saved)


def test_a_regression_is_loaded_with_the_same_bits(
    with_regression: Model, ratings: RatingTable, tmp_path: Path
) -> None:
    artifact.save(with_regression, EVALUATION, tmp_path)
    loaded, expected = (
        artifact.load(tmp_path).predict(ratings.queries()),
        with_regression.predict(ratings.queries()),
    )
    np.testing.assert_array_equal(loaded.expected_rating, expected.expected_rating)
    # A model without takes its place, and nothing of it is left.
    artifact.save(replace(with_regression, regression=None), EVALUATION, tmp_path)
    assert not list(tmp_path.glob("regression.*"))
    assert artifact.load(tmp_path).regression is None


@pytest.mark.parametrize("name", ["regression.ubj", "regression.bin"])
def test_a_regression_that_is_damaged_or_absent_is_refused(
    with_regression: Model, tmp_path: Path, name: str
) -> None:
    artifact.save(with_regression, EVALUATION, tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{name} isn't what training wrote"):
        artifact.read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=rf"can't read .*{name}"):
        artifact.read(tmp_path)


def test_a_regression_that_the_manifest_lost_is_missed(
    with_regression: Model, tmp_path: Path
) -> None:
    artifact.save(with_regression, EVALUATION, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    for name in ("regression.ubj", "regression.bin"):
        del manifest["files"][name]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"disagree on regression\.ubj"):
        artifact.read(tmp_path)


def test_classes_are_no_regression(with_regression: Model, tmp_path: Path) -> None:
    artifact.save(
        replace(with_regression, regression=with_regression.booster),
        EVALUATION,
        tmp_path,
    )
    with pytest.raises(
        ArtifactError, match=r"regression\.ubj has 10 classes and .* expected 0"
    ):
        artifact.load(tmp_path)


def test_a_self_test_of_before_regressions_is_read(saved: Path) -> None:
    with np.load(saved / "self_test.npz") as archive:
        older = {name: values for name, values in archive.items() if name != "stars"}
    assert not SelfTest.from_arrays(older).has_regression


def test_a_directory_without_manifest_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").touch()
    with pytest.raises(ArtifactError, match=r"no manifest.json .*model.tar.gz.*unpack"):
        artifact.load(tmp_path)
    with pytest.raises(ArtifactError, match="no such directory"):
        artifact.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"schema_version": 99}', '{"schema_version": 1}', "\udc80"],
)
def test_a_broken_manifest_is_refused(saved: Path, text: str) -> None:
    (saved / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        artifact.load(saved)


def test_a_directory_that_cannot_be_written_is_named(
    model: Model, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="nowhere"):
        artifact.save(model, EVALUATION, tmp_path / "nowhere")


def test_one_row_scores_as_among_many(model: Model, ratings: RatingTable) -> None:
    together = model.predict(ratings.queries())
    for row in range(0, len(ratings), 7):
        alone = model.predict(ratings.take(np.array([row])).queries())
        np.testing.assert_array_equal(
            alone.probabilities[0], together.probabilities[row]
        )
        assert alone.expected_rating[0] == together.expected_rating[row]


def test_scores_are_distributions_on_the_scale(
    model: Model, ratings: RatingTable
) -> None:
    scores = model.predict(ratings.queries())
    np.testing.assert_allclose(scores.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        scores.expected_rating,
        scores.probabilities @ np.array(model.class_values),
        atol=1e-6,
    )
    np.testing.assert_array_equal(
        scores.rating, (scores.probabilities.argmax(axis=1) + 1) / 2
    )


def test_no_rows_score_as_no_rows(model: Model) -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert model.predict(RatingQueries(nothing, nothing, np.empty(0))).n_rows == 0


def test_known_ids(model: Model, movies: MovieTable) -> None:
    assert model.knows_user(np.array([1, 2, -1])).tolist() == [True, False, False]
    assert model.movie_index(np.array([movies.movie_id[3], 10**12])).tolist() == [3, -1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_values", [1.0, 2.0, 3.0, 4.0, 5.0]),
        ("class_values", None),
        ("feature_names", None),
        ("decision", None),
        ("decision", "median of means"),
        ("decision", ["mode"]),
        ("files", []),
        ("files", None),
        ("files", {"booster.ubj": "x", "features.npz": "x", "evaluation.json": "x"}),
        (
            "files",
            {
                "../other": {},
                "booster.ubj": {},
                "features.npz": {},
                "evaluation.json": {},
            },
        ),
    ],
)
def test_a_manifest_that_was_tampered_with_is_refused(
    saved: Path, name: str, value: object
) -> None:
    manifest = json.loads((saved / "manifest.json").read_bytes())
    (saved / "manifest.json").write_text(json.dumps({**manifest, name: value}))
    with pytest.raises(ArtifactError):
        artifact.load(saved)
