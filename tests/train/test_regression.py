"""The second booster: what it estimates, which of its trees answer what, and how it is
stopped and resumed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from movielens import artifact
from movielens.features import FeatureSpec
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from tests.train.conftest import FEATURES, StopAfter
from train.blocks import FeatureBlocks
from train.hyperparameters import Hyperparameters
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.regression import fit_regression
from train.stop import StopSignal

MakeJob = Callable[..., Path]
SETTINGS = Hyperparameters(
    regression_rounds=40, movie_rounds=0.25, user_rounds=0.25, nthread=1, seed=5
)
JOB = {
    **{
        "num_round": "4",
        "max_depth": "3",
        "regression_rounds": "9",
        "checkpoint_rounds": "3",
        "nthread": "1",
    },
    **{"features": "statistics,clock", "save_predictions": "true"},
}
# How often a job asks before its regression: twice after the rounds of its classes,
# which a resumed one has done.
RESUMED = FEATURES + 2
CLASSES = RESUMED + 4


@pytest.fixture(scope="module")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    return FeatureSpec.fit(ratings, movies)


@pytest.fixture(scope="module")
def blocks(spec: FeatureSpec, ratings: RatingTable) -> FeatureBlocks:
    return FeatureBlocks.of(spec.transform_fitted(ratings))


def test_stars_are_estimated_by_the_trees_of_what_is_known(
    spec: FeatureSpec, ratings: RatingTable, blocks: FeatureBlocks
) -> None:
    booster = fit_regression(blocks, ratings.rating, SETTINGS, StopSignal())
    assert booster is not None
    assert booster.num_boosted_rounds() == SETTINGS.regression_rounds
    queries, errors = ratings.queries(), [float(ratings.rating.std())]
    nobody, never = np.full(len(queries), 10**9), np.full(len(queries), np.nan)
    for user, time, rounds in (
        (nobody, never, 10),
        (nobody, queries.timestamp, 10),
        (queries.user_id, never, 20),
    ):
        features = spec.transform(RatingQueries(user, queries.movie_id, time)).values
        answers = booster.inplace_predict(features)
        np.testing.assert_array_equal(
            answers, booster.inplace_predict(features, iteration_range=(0, rounds))
        )
        errors.append(float(np.sqrt(np.mean((answers - ratings.rating) ** 2))))
    whole = booster.inplace_predict(spec.transform(queries).values)
    errors.append(float(np.sqrt(np.mean((whole - ratings.rating) ** 2))))
    none, of_movie, _, of_user, of_all = errors
    assert none > of_movie > of_user > of_all


def test_none_is_trained_unless_it_is_asked_for(
    blocks: FeatureBlocks, ratings: RatingTable
) -> None:
    assert (
        fit_regression(
            blocks, ratings.rating, replace(SETTINGS, regression_rounds=0), StopSignal()
        )
        is None
    )
    assert (
        fit_regression(blocks, ratings.rating, SETTINGS, StopSignal(requested=True))
        is None
    )


def run(base_dir: Path, stop: StopSignal | None = None) -> dict[str, object]:
    prepare(base_dir)
    evaluation = train(TrainingJob.at(base_dir), stop or StopSignal())
    assert evaluation is not None
    return asdict(evaluation.booster)


def files(base_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (base_dir / "model").iterdir()}


def test_a_stopped_regression_is_left_out_and_resumed(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir, whole = make_job(JOB), tmp_path / "whole"
    (base_dir / "checkpoints").mkdir()
    shutil.copytree(base_dir, whole)
    assert run(whole) == {"num_round": 4, "regression_rounds": 9, "stopped": False}
    stopped = {"num_round": 4, "regression_rounds": 0, "stopped": True}
    # Among its rounds, again among the later ones, and while the features are made once
    # more.
    for times in (CLASSES + 2, RESUMED + 3, FEATURES - 2):
        assert run(base_dir, StopAfter(times)) == stopped, times
        assert artifact.load(base_dir / "model").regression is None
    run(base_dir)
    assert files(base_dir) == files(whole)


def test_early_stopping_leaves_its_rounds_as_they_are(make_job: MakeJob) -> None:
    base_dir = make_job({**JOB, "num_round": "8", "early_stopping_rounds": "2"})
    assert run(base_dir)["regression_rounds"] == 9


def test_it_changes_the_expected_rating_alone(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir, without = make_job(JOB), tmp_path / "without"
    shutil.copytree(base_dir, without)
    config = without / "input" / "config" / "hyperparameters.json"
    config.write_text(json.dumps({**JOB, "regression_rounds": "0"}))
    run(base_dir)
    run(without)
    assert files(base_dir)["booster.ubj"] == files(without)["booster.ubj"]
    rows, others = (
        [
            line.split(",")
            for line in (job / "output" / "data" / "predictions.csv")
            .read_text()
            .splitlines()
        ]
        for job in (base_dir, without)
    )
    assert [row[:4] for row in rows] == [row[:4] for row in others]
    assert [row[4] for row in rows[1:]] != [row[4] for row in others[1:]]
