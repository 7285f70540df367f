from __future__ import annotations

import csv
import json
import logging
import math
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from movielens import artifact
from movielens.errors import DataError
from movielens.queries import RatingQueries
from tests.train.conftest import FEATURES, StopAfter
from train.errors import JobError
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.stop import StoppedError, StopSignal

MakeJob = Callable[..., Path]
QUICK = {
    "num_round": "8",
    "max_depth": "3",
    "nthread": "1",
    "split": "tutorial",
    "save_predictions": "true",
}


def run(base_dir: Path, stop: StopSignal | None = None) -> dict[str, Any]:
    prepare(base_dir)
    evaluation = train(TrainingJob.at(base_dir), stop or StopSignal())
    assert evaluation is not None
    return evaluation.to_json()


def predictions(base_dir: Path) -> list[dict[str, str]]:
    with (base_dir / "output" / "data" / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_evaluation_has_what_is_promised(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    evaluation = run(base_dir)
    assert (
        json.loads((base_dir / "output" / "data" / "evaluation.json").read_bytes())
        == evaluation
    )
    assert (
        json.loads((base_dir / "model" / "evaluation.json").read_bytes()) == evaluation
    )
    assert set(evaluation) == {
        "test",
        "baselines",
        "train",
        "data",
        "booster",
        "hyperparameters",
        "versions",
    }
    test = evaluation["test"]
    assert set(test) >= {
        *("n_rows", "class_values", "distance", "accuracy", "rmse", "mae", "log_loss"),
        *("quadratic_weighted_kappa", "confusion_matrix"),
    }
    assert sum(test["distance"].values()) == pytest.approx(1)
    assert set(evaluation["baselines"]) == {
        "most_frequent_class",
        "user_mean",
        "movie_mean",
    }
    assert all(
        set(f) == set(test)
        for f in (evaluation["train"], *evaluation["baselines"].values())
    )
    data = evaluation["data"]
    assert (
        data["n_train"] + data["n_test"]
        == data["n_ratings"]
        == test["n_rows"] + evaluation["train"]["n_rows"]
    )
    assert (
        evaluation["hyperparameters"]["num_round"]
        == evaluation["booster"]["num_round"]
        == 8
    )


@pytest.mark.parametrize("regression_rounds", [0, 5])
def test_the_artifact_predicts_what_was_evaluated(
    make_job: MakeJob, regression_rounds: int
) -> None:
    base_dir = make_job({**QUICK, "regression_rounds": str(regression_rounds)})
    evaluation = run(base_dir)
    assert evaluation["booster"]["regression_rounds"] == regression_rounds
    rows = predictions(base_dir)
    assert len(rows) == evaluation["test"]["n_rows"]
    timestamps = {}
    with (base_dir / "input" / "data" / "training" / "ratings.csv").open(
        newline=""
    ) as file:
        for row in csv.DictReader(file):
            timestamps[row["userId"], row["movieId"]] = float(row["timestamp"])
    queries = RatingQueries(
        np.array([int(row["userId"]) for row in rows]),
        np.array([int(row["movieId"]) for row in rows]),
        np.array([timestamps[row["userId"], row["movieId"]] for row in rows]),
    )
    model = artifact.load(base_dir / "model")
    scores = model.predict(queries)
    assert [float(row["predicted"]) for row in rows] == scores.rating.tolist()
    assert [
        float(row["expected_rating"]) for row in rows
    ] == scores.expected_rating.tolist()
    exact = sum(row["predicted"] == row["rating"] for row in rows) / len(rows)
    assert exact == pytest.approx(evaluation["test"]["accuracy"])


def test_the_decision_changes_the_class_and_nothing_else(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir, other = make_job(QUICK), tmp_path / "other"
    shutil.copytree(base_dir, other)
    (other / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({**QUICK, "decision": "median"})
    )
    by_mode, by_median = run(base_dir), run(other)
    for name in ("booster.ubj", "features.npz", "forest.bin", "self_test.npz"):
        assert (base_dir / "model" / name).read_bytes() == (
            other / "model" / name
        ).read_bytes(), name
    assert artifact.load(other / "model").decision == "median"
    for part in ("train", "test"):
        assert (by_mode[part]["decision"], by_median[part]["decision"]) == (
            "mode",
            "median",
        )
        for figure in ("rmse", "mae", "log_loss", "calibration_error"):
            assert by_mode[part][figure] == by_median[part][figure], figure
        assert by_mode[part]["confusion_matrix"] != by_median[part]["confusion_matrix"]
    assert by_mode["baselines"] == by_median["baselines"]
    rows, others = predictions(base_dir), predictions(other)
    assert [row["predicted"] for row in rows] != [row["predicted"] for row in others]
    assert [row["expected_rating"] for row in rows] == [
        row["expected_rating"] for row in others
    ]


def test_same_job_same_bytes(make_job: MakeJob, tmp_path: Path) -> None:
    base_dir = make_job(QUICK)
    again = tmp_path / "again"
    shutil.copytree(base_dir, again)
    run(base_dir)
    run(again)
    for folder in ("model", "output/data"):
        for path in (base_dir / folder).iterdir():
            assert path.read_bytes() == (again / folder / path.name).read_bytes(), (
                path.name
            )


def test_early_stopping_trains_fewer_rounds_and_says_so(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {**QUICK, "num_round": "300", "eta": "0.9", "early_stopping_rounds": "3"}
    with caplog.at_level("INFO"):
        evaluation = run(make_job(settings))
    assert 1 <= evaluation["booster"]["num_round"] < 300
    assert (
        f"early stopping chose {evaluation['booster']['num_round']} rounds"
        in caplog.text
    )
    assert "metric validation:mlogloss=" in caplog.text


def test_split_none_has_no_test(make_job: MakeJob) -> None:
    evaluation = run(make_job({**QUICK, "split": "none"}))
    assert evaluation["test"] is None
    assert evaluation["baselines"] == {}
    assert evaluation["data"]["n_train"] == evaluation["data"]["n_ratings"]


def test_a_validation_channel_is_the_test(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    data = base_dir / "input" / "data"
    header, *lines = (data / "training" / "ratings.csv").read_text().splitlines()
    (data / "training" / "ratings.csv").write_text(
        "\n".join([header, *lines[100:], ""])
    )
    (data / "validation").mkdir()
    (data / "validation" / "ratings.csv").write_text(
        "\n".join([header, *lines[:100], ""])
    )
    config = {
        name: {"TrainingInputMode": "File"} for name in ("training", "validation")
    }
    (base_dir / "input" / "config" / "inputdataconfig.json").write_text(
        json.dumps(config)
    )
    evaluation = run(base_dir)
    assert evaluation["test"]["n_rows"] == 100
    assert evaluation["data"]["n_train"] == len(lines) - 100
    assert [int(row["movieId"]) for row in predictions(base_dir)] == [
        int(line.split(",")[1]) for line in lines[:100]
    ]


def test_bad_rows_are_counted_in_the_report(make_job: MakeJob) -> None:
    base_dir = make_job({**QUICK, "on_bad_row": "drop"})
    path = base_dir / "input" / "data" / "training" / "ratings.csv"
    with path.open("a") as file:
        file.write("1,1,4.7,5\nx,1,4.0,5\n")
    assert run(base_dir)["data"]["dropped"] == {"duplicate": 0, "bad_row": 2}
    (base_dir / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({**QUICK, "on_bad_row": "drop", "bad_row_share": "0.0001"})
    )
    with pytest.raises(
        DataError, match=r"2 of 3221 rows can't be used .* rating is '4\.7'"
    ):
        run(base_dir)


def test_trees_of_a_sample_with_the_features_of_all(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_job(QUICK)
    again = tmp_path / "again"
    shutil.copytree(base_dir, again)
    run(base_dir)
    (again / "input" / "config" / "hyperparameters.json").write_text(
        json.dumps({**QUICK, "tree_rows": "1000"})
    )
    assert run(again)["train"]["n_rows"] == 2253
    for name, same in {"features.npz": True, "booster.ubj": False}.items():
        assert (
            (base_dir / "model" / name).read_bytes()
            == (again / "model" / name).read_bytes()
        ) is same


def test_a_piped_channel_trains_the_same_model(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir, piped = make_job(QUICK), tmp_path / "piped"
    shutil.copytree(base_dir, piped)
    run(base_dir)
    channel, fifo = (
        piped / "input" / "data" / "training",
        piped / "input" / "data" / "training_0",
    )
    contents = [(channel / name).read_bytes() for name in ("movies.csv", "ratings.csv")]
    shutil.rmtree(channel)
    os.mkfifo(fifo)
    config = {"training": {"TrainingInputMode": "Pipe"}}
    (piped / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(config))
    feeder = threading.Thread(target=lambda: fifo.write_bytes(b"".join(contents)))
    feeder.start()
    run(piped)
    feeder.join(10)
    for name in ("features.npz", "booster.ubj"):
        assert (base_dir / "model" / name).read_bytes() == (
            piped / "model" / name
        ).read_bytes()


def test_whole_stars_in_an_older_format_make_five_classes(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    channel = base_dir / "input" / "data" / "training"
    _, *lines = (channel / "ratings.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    whole = (
        "::".join((user, movie, str(math.ceil(float(rating))), time))
        for user, movie, rating, time in rows
    )
    (channel / "ratings.csv").unlink()
    (channel / "ratings.dat").write_text("\n".join(whole))
    evaluation = run(base_dir)
    assert evaluation["test"]["class_values"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert artifact.load(base_dir / "model").class_values == (1.0, 2.0, 3.0, 4.0, 5.0)


def test_an_output_that_cannot_be_written_is_named(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    prepare(base_dir)
    (base_dir / "output" / "data" / "evaluation.json").mkdir()
    with pytest.raises(JobError, match=r"can't write .*evaluation\.json"):
        train(TrainingJob.at(base_dir), StopSignal())


def test_half_stars_among_the_test_rows_alone_make_ten_classes(
    make_job: MakeJob,
) -> None:
    rows = [
        f"{user},{movie},{(user + movie) % 5 + 1},{user * 100 + movie}"
        for user in range(1, 31)
        for movie in (1, 2, 3)
    ]
    ratings = "\n".join(
        ["userId,movieId,rating,timestamp", *rows, "31,1,4.5,99999", ""]
    )
    evaluation = run(
        make_job({**QUICK, "split": "temporal", "holdout": "0.1"}, ratings=ratings)
    )
    assert len(evaluation["test"]["class_values"]) == 10
    assert sum(evaluation["test"]["confusion_matrix"][8]) == 1


def test_early_stopping_without_rows_to_look_at_says_so(make_job: MakeJob) -> None:
    settings = {**QUICK, "early_stopping_rounds": "3", "early_stopping_share": "0.0001"}
    with pytest.raises(DataError, match="change early_stopping_share"):
        run(make_job(settings))


@pytest.mark.parametrize("times", [FEATURES, FEATURES + 1, FEATURES + 6, FEATURES + 20])
def test_a_stop_at_any_time_with_early_stopping_leaves_a_model(
    make_job: MakeJob, times: int
) -> None:
    base_dir = make_job({**QUICK, "num_round": "12", "early_stopping_rounds": "5"})
    evaluation = run(base_dir, StopAfter(times))
    assert evaluation["booster"]["stopped"] is True
    assert evaluation["booster"]["num_round"] >= 1
    assert (
        artifact.load(base_dir / "model").booster.num_boosted_rounds()
        == evaluation["booster"]["num_round"]
    )


def test_a_stop_in_the_second_training_keeps_the_longer_model(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_dir = make_job({**QUICK, "num_round": "12", "early_stopping_rounds": "12"})
    stop = StopSignal()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stop.requested |= "early stopping chose" in record.getMessage()

    logger = logging.getLogger("train.booster")
    handler = Handler()
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.INFO)
    try:
        evaluation = run(base_dir, stop)
    finally:
        logger.removeHandler(handler)
    assert evaluation["booster"]["num_round"] > 1


def test_a_stop_before_the_first_round_leaves_no_model(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    with pytest.raises(StoppedError, match="stopped by SIGTERM before the features"):
        run(base_dir, StopSignal(requested=True))
    assert list((base_dir / "model").iterdir()) == []


def test_metric_lines_are_logged(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        evaluation = run(make_job(QUICK))
    assert f"metric test:rmse={evaluation['test']['rmse']:.6f}" in caplog.messages
    assert (
        f"metric train:accuracy={evaluation['train']['accuracy']:.6f}"
        in caplog.messages
    )
