"""What the server makes of an artifact's flat forms."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.flat_forest import parts_of
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from serve.forest import FlatForest
from serve.served_model import load
from tests.examples import EVALUATION
from tests.forging import resave


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    artifact.save(model, EVALUATION, tmp_path)
    return tmp_path


@pytest.fixture
def saved_gated(gated: Model, tmp_path: Path) -> Path:
    artifact.save(gated, EVALUATION, tmp_path)
    return tmp_path


def change_leaves(model_dir: Path, name: str) -> None:
    """Make the leaves of a flat form greater by about a thousandth."""
    flat = (model_dir / name).read_bytes()
    nodes = parts_of(flat).nodes
    nodes_at = len(flat) - nodes.nbytes

    changed = nodes.copy()
    is_leaf = changed["first"] == 0
    changed["key"][is_leaf] += 2**13  # so many floats further
    resave(model_dir, name, flat[:nodes_at] + changed.tobytes())


def queries_of_all_kinds(ratings: RatingTable) -> list[RatingQueries]:
    """The training's pairs with and without their users and their times."""
    known = ratings.queries()
    nobody = np.full(len(known), -1)
    never = np.full(len(known), np.nan)
    return [
        RatingQueries(user, known.movie_id, time)
        for user in (known.user_id, nobody)
        for time in (known.timestamp, never)
    ]


def test_the_server_predicts_what_training_did(
    saved: Path, model: Model, ratings: RatingTable
) -> None:
    served = load(saved)
    assert isinstance(served.model.booster, FlatForest)
    assert served.is_well()
    expected = model.predict(ratings.queries()).probabilities
    found = served.model.predict(ratings.queries()).probabilities
    np.testing.assert_array_equal(found, expected)


def test_a_regression_is_served_as_it_was_trained(
    saved_gated: Path, gated: Model, ratings: RatingTable
) -> None:
    served = load(saved_gated)
    assert isinstance(served.model.regression, FlatForest)
    assert served.is_well()
    for queries in queries_of_all_kinds(ratings):
        expected = gated.predict(queries)
        found = served.model.predict(queries)
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
        np.testing.assert_array_equal(found.expected_rating, expected.expected_rating)
        for row in range(0, len(queries), 37):
            alone = served.model.predict(queries.take(np.array([row])))
            assert alone.expected_rating[0] == expected.expected_rating[row]


def test_a_regression_changes_the_expected_ratings(
    gated: Model, ratings: RatingTable
) -> None:
    without = replace(gated, regression=None)
    queries = ratings.queries()
    assert not np.array_equal(
        gated.predict(queries).expected_rating, without.predict(queries).expected_rating
    )


def test_loading_a_model_imports_nothing_of_xgboost(saved: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from serve.served_model import load; "
        f"load(Path({str(saved)!r})); "
        "heavy = {'xgboost', 'pandas', 'scipy', 'sklearn', 'pyarrow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert output == b"[]\n"


def test_trees_that_differ_in_a_bit_are_not_used(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change_leaves(saved, "forest.bin")
    served = load(saved)
    assert isinstance(served.model.booster, xgboost.Booster)
    assert served.is_well()
    assert "predicting with XGBoost itself" in caplog.text
    assert "rows of the self-test" in caplog.text


def test_a_regression_that_differs_is_not_used(saved_gated: Path) -> None:
    change_leaves(saved_gated, "regression.bin")
    served = load(saved_gated)
    assert isinstance(served.model.booster, FlatForest)
    assert isinstance(served.model.regression, xgboost.Booster)
    assert served.is_well()


def test_a_broken_flat_form_is_not_used(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resave(saved, "forest.bin", b"HALFTREE")
    assert isinstance(load(saved).model.booster, xgboost.Booster)
    assert "not a flat forest: 8 bytes are too short" in caplog.text


def test_a_model_without_a_flat_form_is_served_by_xgboost(
    model: Model, ratings: RatingTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    matrix = xgboost.DMatrix(
        model.spec.transform(ratings.queries()).values,
        model.spec.scale.to_class(ratings.rating),
        feature_names=list(model.spec.names),
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(model.class_values),
        "multi_strategy": "multi_output_tree",
    }
    other = Model(model.spec, xgboost.train(params, matrix, 3))
    artifact.save(other, EVALUATION, tmp_path)
    assert not (tmp_path / "forest.bin").exists()
    reason = "categorical splits or vectors in leaves"
    assert f"no flat form of the trees ({reason})" in caplog.text
    assert isinstance(load(tmp_path).model.booster, xgboost.Booster)


@pytest.mark.parametrize("name", ["probabilities", "stars"])
def test_a_model_that_fails_its_self_test_is_not_served(
    saved_gated: Path, name: str
) -> None:
    with np.load(saved_gated / "self_test.npz") as archive:
        arrays = dict(archive)
    arrays[name] = arrays[name][::-1]
    changed = saved_gated / "changed.npz"
    with changed.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    resave(saved_gated, "self_test.npz", changed.read_bytes())
    with pytest.raises(ArtifactError, match="away from those of training"):
        load(saved_gated)
