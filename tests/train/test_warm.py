"""Going on from an earlier model: a first job on some of the ratings, a second one on
the rest.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import ArtifactError
from movielens.features import FeatureSpec
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from train.errors import JobError
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.stop import StopSignal
from train.warm import ratings_of

MakeJob = Callable[..., Path]
QUICK = {
    "num_round": "6",
    "max_depth": "3",
    "nthread": "1",
    "split": "none",
    "features": "statistics,histograms",
}


def run(base_dir: Path) -> dict[str, Any]:
    prepare(base_dir)
    evaluation = train(TrainingJob.at(base_dir), StopSignal())
    assert evaluation is not None
    return evaluation.to_json()


@pytest.fixture
def halves(make_job: MakeJob) -> tuple[Path, list[str], list[str]]:
    """A job, and the lines of its ratings in two halves, one holding every second line."""
    base_dir = make_job(QUICK)
    _, *lines = (
        (base_dir / "input" / "data" / "training" / "ratings.csv")
        .read_text()
        .splitlines()
    )
    return base_dir, lines[::2], lines[1::2]


def give(
    base_dir: Path,
    lines: list[str],
    settings: dict[str, str],
    *,
    with_movies: bool = True,
) -> None:
    """Put ratings into the channel and settings beside them."""
    channel = base_dir / "input" / "data" / "training"
    (channel / "ratings.csv").write_text(
        "\n".join(["userId,movieId,rating,timestamp", *lines, ""])
    )
    if not with_movies:
        (channel / "movies.csv").unlink()
    config = base_dir / "input" / "config"
    (config / "hyperparameters.json").write_text(json.dumps(settings))
    (config / "inputdataconfig.json").write_text(
        json.dumps({"training": {}, "model": {}})
    )


def put_model(base_dir: Path) -> None:
    """The model of the job before, as SageMaker hands it over."""
    channel = base_dir / "input" / "data" / "model"
    channel.mkdir()
    with tarfile.open(channel / "model.tar.gz", "w:gz") as tar:
        tar.add(base_dir / "model", ".")


def test_old_and_new_ratings_make_the_features_of_all(
    halves: tuple[Path, list[str], list[str]],
) -> None:
    base_dir, old, new = halves
    run(base_dir)
    whole = artifact.load(base_dir / "model").spec
    give(base_dir, old, QUICK)
    (base_dir / "input" / "config" / "inputdataconfig.json").write_text(
        json.dumps({"training": {}})
    )
    run(base_dir)
    first = artifact.load(base_dir / "model")
    put_model(base_dir)
    give(base_dir, new, QUICK, with_movies=False)
    evaluation = run(base_dir)
    second = artifact.load(base_dir / "model")
    assert evaluation["data"]["n_train"] == len(old) + len(new)
    assert evaluation["data"]["n_earlier"] == len(old)
    queries = RatingQueries(
        np.array([1, 5, 999]), np.array([1, 3, 1]), np.array([1e9, np.nan, 1e9])
    )
    assert np.array_equal(
        second.spec.transform(queries).values,
        whole.transform(queries).values,
        equal_nan=True,
    )
    # The old trees come first, and six more are added for each class.
    assert first.booster.num_boosted_rounds() == 6
    assert second.booster.num_boosted_rounds() == 12
    assert second.booster[:6].get_dump() == first.booster.get_dump()


def test_a_regression_goes_on_too(halves: tuple[Path, list[str], list[str]]) -> None:
    base_dir, old, new = halves
    settings = {**QUICK, "regression_rounds": "4"}
    give(base_dir, old, settings)
    (base_dir / "input" / "config" / "inputdataconfig.json").write_text(
        json.dumps({"training": {}})
    )
    run(base_dir)
    first = artifact.load(base_dir / "model").regression
    put_model(base_dir)
    give(base_dir, new, settings, with_movies=False)
    assert run(base_dir)["booster"]["regression_rounds"] == 8
    second = artifact.load(base_dir / "model").regression
    assert isinstance(first, xgboost.Booster)
    assert isinstance(second, xgboost.Booster)
    assert second[:4].get_dump() == first.get_dump()


def test_test_rows_are_new_and_in_no_training_row(
    halves: tuple[Path, list[str], list[str]],
) -> None:
    base_dir, old, new = halves
    give(base_dir, old, QUICK)
    (base_dir / "input" / "config" / "inputdataconfig.json").write_text(
        json.dumps({"training": {}})
    )
    run(base_dir)
    put_model(base_dir)
    # Some rate once more what they have rated before.
    again = [
        ",".join([*line.split(",")[:2], "0.5", "1600000000"]) for line in old[:200]
    ]
    settings = {
        **QUICK,
        "split": "random",
        "holdout": "0.3",
        "early_stopping_rounds": "2",
        "save_predictions": "true",
    }
    give(base_dir, new + again, settings)
    evaluation = run(base_dir)
    n_new = len(new) + len(again)
    assert evaluation["test"]["n_rows"] == round(0.3 * n_new)
    assert evaluation["data"]["n_train"] + evaluation["data"]["n_test"] == len(
        old
    ) + len(new)
    tested = (
        (base_dir / "output" / "data" / "predictions.csv").read_text().splitlines()[1:]
    )
    kept = ratings_of(artifact.load(base_dir / "model").spec)
    pairs = set(zip(kept.user_id.tolist(), kept.movie_id.tolist(), strict=True))
    assert not pairs & {
        (int(user), int(movie))
        for user, movie, *_ in (line.split(",") for line in tested)
    }


def test_the_artifact_gives_its_ratings_back(
    ratings: RatingTable, movies: MovieTable
) -> None:
    back = ratings_of(FeatureSpec.fit(ratings, movies))
    assert ratings.timestamp is not None
    order = np.lexsort((ratings.movie_id, ratings.timestamp, ratings.user_id))
    for column in ("user_id", "movie_id", "half_stars", "timestamp"):
        assert np.array_equal(getattr(back, column), getattr(ratings, column)[order]), (
            column
        )


def test_other_features_are_refused(halves: tuple[Path, list[str], list[str]]) -> None:
    base_dir, _, new = halves
    run(base_dir)
    put_model(base_dir)
    give(base_dir, new, {**QUICK, "features": "clock"})
    with pytest.raises(
        JobError, match="has features statistics,histograms, this job asks for clock"
    ):
        run(base_dir)


def test_a_channel_without_a_model_is_refused(
    halves: tuple[Path, list[str], list[str]],
) -> None:
    base_dir, _, new = halves
    give(base_dir, new, QUICK)
    channel = base_dir / "input" / "data" / "model"
    channel.mkdir()
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        run(base_dir)
    (channel / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ArtifactError, match=r"can't unpack .*model\.tar\.gz"):
        run(base_dir)
