"""A warm start: a first job on some of the ratings, a second one on the others."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.channel import Channel
from movielens.errors import ArtifactError
from movielens.features import FeatureSpec
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from tests.train.conftest import configure
from train.errors import JobError
from train.hyperparameters import Hyperparameters
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.split import Split
from train.stop import StopSignal
from train.warm import EarlierModel, ratings_of, read_model

MakeJob = Callable[..., Path]
Lines = list[str]
# With three of the movie and three of the user, twelve rounds in all.
QUICK = {
    "num_round": "6",
    "movie_rounds": "0.5",
    "user_rounds": "0.5",
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
def base_dir(make_job: MakeJob) -> Path:
    return make_job(QUICK)


@pytest.fixture
def halves(base_dir: Path) -> tuple[Lines, Lines]:
    """The lines of the ratings in two halves, of every other line each."""
    text = (base_dir / "input" / "data" / "training" / "ratings.csv").read_text()
    _, *lines = text.splitlines()
    return lines[::2], lines[1::2]


def write_ratings(base_dir: Path, lines: Lines) -> None:
    header = "userId,movieId,rating,timestamp"
    path = base_dir / "input" / "data" / "training" / "ratings.csv"
    path.write_text("\n".join([header, *lines, ""]))


def run_first(
    base_dir: Path, lines: Lines, hyperparameters: dict[str, str] = QUICK
) -> None:
    """Train on these ratings, and put the model into a channel as SageMaker would."""
    write_ratings(base_dir, lines)
    configure(base_dir, "hyperparameters", hyperparameters)
    run(base_dir)
    channel = base_dir / "input" / "data" / "model"
    channel.mkdir()
    with tarfile.open(channel / "model.tar.gz", "w:gz") as tar:
        tar.add(base_dir / "model", ".")


def prepare_second(
    base_dir: Path, lines: Lines, hyperparameters: dict[str, str] = QUICK
) -> None:
    """The job that goes on from the model, with these ratings."""
    write_ratings(base_dir, lines)
    configure(base_dir, "hyperparameters", hyperparameters)
    configure(base_dir, "inputdataconfig", {"training": {}, "model": {}})


def booster_of(base_dir: Path) -> xgboost.Booster:
    booster = artifact.load(base_dir / "model").booster
    assert isinstance(booster, xgboost.Booster)
    return booster


def regression_of(base_dir: Path) -> xgboost.Booster:
    regression = artifact.load(base_dir / "model").regression
    assert isinstance(regression, xgboost.Booster)
    return regression


def test_features_are_made_from_old_and_new_ratings(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    old, new = halves
    run(base_dir)
    of_all = artifact.load(base_dir / "model").spec

    run_first(base_dir, old)
    prepare_second(base_dir, new)
    (base_dir / "input" / "data" / "training" / "movies.csv").unlink()
    counts = run(base_dir)["data"]
    assert counts["n_train"] == len(old) + len(new)
    assert counts["n_earlier"] == len(old)

    queries = RatingQueries(
        np.array([1, 5, 999]), np.array([1, 3, 1]), np.array([1e9, np.nan, 1e9])
    )
    spec = artifact.load(base_dir / "model").spec
    np.testing.assert_array_equal(
        spec.transform(queries).values, of_all.transform(queries).values
    )


def test_the_old_trees_come_first_in_both_boosters(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    old, new = halves
    hyperparameters = {**QUICK, "regression_rounds": "4"}
    run_first(base_dir, old, hyperparameters)
    first_booster = booster_of(base_dir)
    first_regression = regression_of(base_dir)
    assert first_booster.num_boosted_rounds() == 12

    prepare_second(base_dir, new, hyperparameters)
    rounds = run(base_dir)["booster"]
    assert (rounds["num_round"], rounds["regression_rounds"]) == (18, 12)
    booster = booster_of(base_dir)
    assert booster[:12].get_dump() == first_booster.get_dump()
    # The new ones go along no axes.
    n_classes = len(artifact.load(base_dir / "model").spec.scale.class_values)
    assert [len(each.get_dump()) for each in booster[12:]] == 6 * [n_classes]
    assert regression_of(base_dir)[:8].get_dump() == first_regression.get_dump()


def test_test_rows_are_new_and_no_training_rows(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    old, new = halves
    run_first(base_dir, old)
    # Some pairs are rated a second time.
    again = [
        ",".join([*line.split(",")[:2], "0.5", "1600000000"]) for line in old[:200]
    ]
    hyperparameters = {
        **QUICK,
        "split": "random",
        "holdout": "0.3",
        "early_stopping_rounds": "2",
        "save_predictions": "true",
    }
    prepare_second(base_dir, new + again, hyperparameters)
    evaluation = run(base_dir)

    n_new = len(new) + len(again)
    assert evaluation["test"]["n_rows"] == round(0.3 * n_new)
    counts = evaluation["data"]
    assert counts["n_train"] + counts["n_test"] == len(old) + len(new)

    kept = ratings_of(artifact.load(base_dir / "model").spec)
    trained = set(zip(kept.user_id.tolist(), kept.movie_id.tolist(), strict=True))
    assert not trained & pairs_tested(base_dir)


def pairs_tested(base_dir: Path) -> set[tuple[int, int]]:
    text = (base_dir / "output" / "data" / "predictions.csv").read_text()
    _, *rows = [line.split(",") for line in text.splitlines()]
    return {(int(user), int(movie)) for user, movie, *_ in rows}


def test_an_artifact_gives_its_ratings_back(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    back = ratings_of(spec)
    assert ratings.timestamp is not None
    order = np.lexsort((ratings.movie_id, ratings.timestamp, ratings.user_id))
    expected = ratings.take(order)
    for column in ("user_id", "movie_id", "half_stars", "timestamp"):
        np.testing.assert_array_equal(
            getattr(back, column), getattr(expected, column), column
        )


def test_other_features_are_refused(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    old, new = halves
    run_first(base_dir, old)
    prepare_second(base_dir, new, {**QUICK, "features": "clock"})
    expected = "has features statistics,histograms, this job asks for clock"
    with pytest.raises(JobError, match=expected):
        run(base_dir)


def test_timestamps_on_one_side_only_are_refused(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    timed = EarlierModel(spec, b"", b"", ratings)
    untimed = replace(timed, ratings=replace(ratings, timestamp=None))
    no_rows = ratings.take(np.empty(0, dtype=np.int64))
    with pytest.raises(JobError, match="has timestamps, but the new ratings don't"):
        timed.added_to(Split(untimed.ratings, no_rows))
    with pytest.raises(JobError, match="has no timestamps, but the new ratings do"):
        untimed.added_to(Split(ratings, no_rows))


def test_a_channel_without_a_model_is_refused(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    _, new = halves
    prepare_second(base_dir, new)
    channel = base_dir / "input" / "data" / "model"
    channel.mkdir()
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        run(base_dir)
    (channel / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ArtifactError, match=r"can't unpack .*model\.tar\.gz"):
        run(base_dir)
    (channel / "model.tar.gz").unlink()
    os.mkfifo(channel / "model.tar.gz")
    with pytest.raises(ArtifactError, match=r"model\.tar\.gz: .*no regular file"):
        run(base_dir)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_the_archive_are_refused(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("manifest.json")
    link.type = kind
    link.linkname = "manifest.json"
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.addfile(link)
    channel = Channel("model", tmp_path)
    with pytest.raises(ArtifactError, match="neither a file nor a directory"):
        read_model(channel, Hyperparameters())


def test_a_bomb_among_the_files_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("unknown.bin")
    member.size = 100 * 2**20
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    channel = Channel("model", tmp_path)
    with pytest.raises(ArtifactError, match="too much for its size"):
        read_model(channel, Hyperparameters())


def test_no_place_to_unpack_the_model_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz"):
        pass
    # What tempfile would find, had it not found another place before.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(JobError, match="no place to unpack the model: No such file"):
        read_model(Channel("model", tmp_path), Hyperparameters())


def test_rounds_for_unknown_users_stay_and_no_new_ones_come(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    old, new = halves
    hyperparameters = {**QUICK, "features": "statistics,era", "date_rounds": "0.5"}
    run_first(base_dir, old, hyperparameters)
    first = booster_of(base_dir)
    assert first.num_boosted_rounds() == 15

    prepare_second(base_dir, new, hyperparameters)
    rounds = run(base_dir)["booster"]
    assert (rounds["num_round"], rounds["branch_rounds"]) == (21, 0)
    model = artifact.load(base_dir / "model")
    unknown = RatingQueries(np.array([999]), np.array([1]), np.array([1e9]))
    values = model.spec.values(unknown)
    np.testing.assert_array_equal(
        booster_of(base_dir).inplace_predict(values), first.inplace_predict(values)
    )


def test_ratings_without_timestamps_are_refused_if_the_trees_look_at_the_date(
    base_dir: Path, halves: tuple[Lines, Lines]
) -> None:
    old, new = halves
    hyperparameters = {**QUICK, "features": "statistics,era", "latest_kept": "0"}
    run_first(base_dir, old, hyperparameters)
    undated = [line.rpartition(",")[0] for line in new]
    path = base_dir / "input" / "data" / "training" / "ratings.csv"
    prepare_second(base_dir, new, hyperparameters)
    path.write_text("\n".join(["userId,movieId,rating", *undated, ""]))
    with pytest.raises(JobError, match="send ratings with timestamps if the model's"):
        run(base_dir)


def test_a_model_that_keeps_no_ratings_brings_its_trees_alone(
    base_dir: Path, halves: tuple[Lines, Lines], caplog: pytest.LogCaptureFixture
) -> None:
    old, new = halves
    hyperparameters = {**QUICK, "latest_kept": "0"}
    run_first(base_dir, old, hyperparameters)
    prepare_second(base_dir, old + new, hyperparameters)
    evaluation = run(base_dir)
    assert evaluation["data"]["n_train"] == len(old) + len(new)
    assert evaluation["booster"]["num_round"] == 18
    assert "the model brings no ratings" in caplog.text
