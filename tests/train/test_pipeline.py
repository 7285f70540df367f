"""Whole jobs: what they write, what they evaluate, and how they end."""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import DataError
from movielens.evaluation import Rounds
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from tests.train.conftest import (
    ASKED_BEFORE_BOOSTING,
    StopAfter,
    configure,
    model_files,
)
from train.errors import JobError
from train.hyperparameters import Hyperparameters
from train.job import TrainingJob, prepare
from train.pipeline import _FitProgress, _rows_to_evaluate, train
from train.split import Split
from train.stop import StoppedError, StopSignal

MakeJob = Callable[..., Path]
Row = dict[str, str]
QUICK = {
    "num_round": "8",
    "max_depth": "3",
    "nthread": "1",
    "split": "tutorial",
    "save_predictions": "true",
}
FIGURES = {
    "n_rows",
    "class_values",
    "distance",
    "accuracy",
    "rmse",
    "mae",
    "log_loss",
    "quadratic_weighted_kappa",
    "confusion_matrix",
}


def run(base_dir: Path, stop: StopSignal | None = None) -> dict[str, Any]:
    prepare(base_dir)
    evaluation = train(TrainingJob.at(base_dir), stop or StopSignal())
    assert evaluation is not None
    # A fault in it wouldn't fail the job.
    assert (base_dir / "output" / "data" / "report.html").exists()
    return evaluation.to_json()


def copy_of(base_dir: Path, name: str, hyperparameters: dict[str, str] = QUICK) -> Path:
    """The same job in another directory, which may have other hyperparameters."""
    copy = base_dir.parent / name
    shutil.copytree(base_dir, copy)
    configure(copy, "hyperparameters", hyperparameters)
    return copy


def without_stages(evaluation: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(evaluation.read_bytes())
    return value | {"stages": []}


def ratings_file(base_dir: Path) -> Path:
    return base_dir / "input" / "data" / "training" / "ratings.csv"


def read_rows(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def predictions(base_dir: Path) -> list[Row]:
    return read_rows(base_dir / "output" / "data" / "predictions.csv")


# What a job writes


def branch_rounds(n_rounds: int) -> int:
    """The rounds that are added to so many by default."""
    defaults = Hyperparameters()
    shares = defaults.movie_rounds, defaults.user_rounds, defaults.date_rounds
    return sum(round(share * n_rounds) for share in shares)


def test_the_evaluation_has_all_its_parts(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    evaluation = run(base_dir)
    assert set(evaluation) == {
        "test",
        "baselines",
        "train",
        "data",
        "booster",
        "hyperparameters",
        "versions",
        "stages",
    }
    test = evaluation["test"]
    assert set(test) >= FIGURES
    assert sum(test["distance"].values()) == pytest.approx(1)

    baselines = evaluation["baselines"]
    assert set(baselines) == {"most_frequent_class", "user_mean", "movie_mean"}
    for figures in (evaluation["train"], *baselines.values()):
        assert set(figures) == set(test)


def test_the_evaluation_counts_rows_and_rounds(make_job: MakeJob) -> None:
    evaluation = run(make_job(QUICK))
    counts = evaluation["data"]
    n_test = evaluation["test"]["n_rows"]
    n_train = evaluation["train"]["n_rows"]
    assert counts["n_train"] + counts["n_test"] == counts["n_ratings"]
    assert n_test + n_train == counts["n_ratings"]
    assert evaluation["hyperparameters"]["num_round"] == 8
    assert evaluation["booster"]["num_round"] == 8 + branch_rounds(8)
    assert evaluation["booster"]["branch_rounds"] == branch_rounds(8)


def test_the_evaluation_is_written_to_the_output_and_to_the_model(
    make_job: MakeJob,
) -> None:
    base_dir = make_job(QUICK)
    evaluation = run(base_dir)
    for folder in ("output/data", "model"):
        text = (base_dir / folder / "evaluation.json").read_bytes()
        # Two jobs with the same model differ in what their stages have cost.
        stages = [] if folder == "model" else evaluation["stages"]
        assert json.loads(text) == evaluation | {"stages": stages}


def test_the_stages_and_what_they_have_cost_are_shown_and_written(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        evaluation = run(make_job(QUICK))
    names = [stage["name"] for stage in evaluation["stages"]]
    assert names == [
        "read and split",
        "fit",
        "boosting",
        "features out of fold",
        "evaluation",
    ]
    title = "what the stages have cost"
    [shown] = [each for each in caplog.messages if each.startswith(title)]
    table = shown.splitlines()
    for line, name in zip(table[2:], [*names, "together"], strict=True):
        assert line.startswith(name)


@pytest.mark.parametrize(("stopped", "n_test"), [(False, 150_000), (True, 75_000)])
def test_some_of_the_training_rows_are_evaluated(stopped: bool, n_test: int) -> None:
    """And of the test rows too, after a stop."""
    ids = np.arange(150_000, dtype=np.int32)
    ratings = RatingTable.of(ids, ids, np.full(len(ids), 3.0), None)
    rows = _rows_to_evaluate(Split(ratings, ratings), Rounds(8, stopped=stopped))
    assert len(rows.test) == n_test
    assert len(rows.train) == 18_750
    assert np.unique(np.diff(rows.train.user_id)).tolist() == [8]


def test_a_long_fit_says_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter([0.0, 1.0, 12.0, 15.0, 23.0])
    progress = _FitProgress(4, clock=lambda: next(seconds))
    with caplog.at_level("INFO"):
        for n_done, name in enumerate(("slopes", "factors", "clock", "pace")):
            progress(name, n_done)
    assert caplog.messages == [
        "fitting factors, 1 of 4 groups of features are done",
        "fitting pace, 3 of 4 groups of features are done",
    ]


@pytest.mark.parametrize("regression_rounds", [0, 5])
def test_the_artifact_predicts_what_was_evaluated(
    make_job: MakeJob, regression_rounds: int
) -> None:
    base_dir = make_job({**QUICK, "regression_rounds": str(regression_rounds)})
    evaluation = run(base_dir)
    rounds = evaluation["booster"]["regression_rounds"]
    assert rounds == regression_rounds + branch_rounds(regression_rounds)
    rows = predictions(base_dir)
    assert len(rows) == evaluation["test"]["n_rows"]

    timestamp = {
        (row["userId"], row["movieId"]): float(row["timestamp"])
        for row in read_rows(ratings_file(base_dir))
    }
    queries = RatingQueries(
        np.array([int(row["userId"]) for row in rows]),
        np.array([int(row["movieId"]) for row in rows]),
        np.array([timestamp[row["userId"], row["movieId"]] for row in rows]),
    )
    predicted = artifact.load(base_dir / "model").predict(queries)
    written_rating = [float(row["predicted"]) for row in rows]
    written_expected = [float(row["expected_rating"]) for row in rows]
    assert written_rating == predicted.rating.tolist()
    assert written_expected == predicted.expected_rating.tolist()

    n_exact = sum(row["predicted"] == row["rating"] for row in rows)
    assert n_exact / len(rows) == pytest.approx(evaluation["test"]["accuracy"])


def test_the_decision_changes_the_class_and_nothing_else(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    other = copy_of(base_dir, "other", {**QUICK, "decision": "median"})
    by_mode = run(base_dir)
    by_median = run(other)
    for name in ("booster.ubj", "features.npz", "forest.bin", "self_test.npz"):
        assert model_files(base_dir)[name] == model_files(other)[name], name
    assert artifact.load(other / "model").decision == "median"

    for part in ("train", "test"):
        mode = by_mode[part]
        median = by_median[part]
        assert (mode["decision"], median["decision"]) == ("mode", "median")
        for figure in ("rmse", "mae", "log_loss", "calibration_error"):
            assert mode[figure] == median[figure], figure
        assert mode["confusion_matrix"] != median["confusion_matrix"]
    assert by_mode["baselines"] == by_median["baselines"]


def test_the_decision_leaves_the_expected_rating_as_it_is(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    other = copy_of(base_dir, "other", {**QUICK, "decision": "median"})
    run(base_dir)
    run(other)

    def column(job: Path, name: str) -> list[str]:
        return [row[name] for row in predictions(job)]

    assert column(base_dir, "predicted") != column(other, "predicted")
    assert column(base_dir, "expected_rating") == column(other, "expected_rating")


def test_the_same_job_writes_the_same_bytes(make_job: MakeJob) -> None:
    """Only what the stages have cost differs."""
    base_dir = make_job(QUICK)
    again = copy_of(base_dir, "again")
    run(base_dir)
    run(again)
    assert model_files(base_dir) == model_files(again)
    assert outputs_without_times(base_dir) == outputs_without_times(again)


def outputs_without_times(base_dir: Path) -> dict[str, object]:
    """What a job leaves in its output, without what its stages have cost."""
    folder = base_dir / "output" / "data"
    outputs: dict[str, object] = {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    evaluation = json.loads((folder / "evaluation.json").read_bytes())
    evaluation.pop("stages", None)
    outputs["evaluation.json"] = evaluation

    figure = r'<div class="figure"><h3>Time by stage</h3>.*?</details></div>'
    page = (folder / "report.html").read_text()
    outputs["report.html"] = re.sub(figure, "", page)
    return outputs


def test_the_number_of_threads_changes_no_byte_of_a_model(make_job: MakeJob) -> None:
    base_dir = make_job({**QUICK, "nthread": "1"})
    other = copy_of(base_dir, "other", {**QUICK, "nthread": "3"})
    run(base_dir)
    run(other)
    for name in ("booster.ubj", "features.npz"):
        path = base_dir / "model" / name
        assert path.read_bytes() == (other / "model" / name).read_bytes(), name


def test_metric_lines_are_logged(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        evaluation = run(make_job(QUICK))
    rmse = evaluation["test"]["rmse"]
    accuracy = evaluation["train"]["accuracy"]
    assert f"metric test:rmse={rmse:.6f}" in caplog.messages
    assert f"metric train:accuracy={accuracy:.6f}" in caplog.messages


def test_an_output_that_cannot_be_written_is_named(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    prepare(base_dir)
    (base_dir / "output" / "data" / "evaluation.json").mkdir()
    with pytest.raises(JobError, match=r"can't write .*evaluation\.json"):
        train(TrainingJob.at(base_dir), StopSignal())


# What a job reads


def test_without_a_split_there_are_no_test_figures(make_job: MakeJob) -> None:
    evaluation = run(make_job({**QUICK, "split": "none"}))
    assert evaluation["test"] is None
    assert evaluation["baselines"] == {}
    assert evaluation["data"]["n_train"] == evaluation["data"]["n_ratings"]


def test_a_validation_channel_replaces_the_split(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    header, *lines = ratings_file(base_dir).read_text().splitlines()
    ratings_file(base_dir).write_text("\n".join([header, *lines[100:], ""]))
    validation = base_dir / "input" / "data" / "validation"
    validation.mkdir()
    (validation / "ratings.csv").write_text("\n".join([header, *lines[:100], ""]))
    file_mode = {"TrainingInputMode": "File"}
    configure(
        base_dir, "inputdataconfig", {"training": file_mode, "validation": file_mode}
    )

    evaluation = run(base_dir)
    assert evaluation["test"]["n_rows"] == 100
    assert evaluation["data"]["n_train"] == len(lines) - 100
    expected = [line.split(",")[1] for line in lines[:100]]
    assert [row["movieId"] for row in predictions(base_dir)] == expected


def test_tested_rows_are_left_out_of_training(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    base_dir = make_job(QUICK)
    header, *lines = ratings_file(base_dir).read_text().splitlines()
    validation = base_dir / "input" / "data" / "validation"
    validation.mkdir()
    (validation / "v.csv").write_text("\n".join([header, *lines[:100], ""]))
    file_mode = {"TrainingInputMode": "File"}
    configure(
        base_dir, "inputdataconfig", {"training": file_mode, "validation": file_mode}
    )

    with caplog.at_level(logging.INFO):
        data = run(base_dir)["data"]
    assert data["n_train"] == len(lines) - 100
    assert data["n_test"] == 100
    assert data["dropped"]["also in validation"] == 100
    assert data["files"][-1] == "validation/v.csv"
    assert "100 rows of both channels are left out of training" in caplog.text


def test_bad_rows_are_dropped_and_counted(make_job: MakeJob) -> None:
    base_dir = make_job({**QUICK, "on_bad_row": "drop"})
    with ratings_file(base_dir).open("a") as file:
        file.write("1,1,4.7,5\nx,1,4.0,5\n")
    assert run(base_dir)["data"]["dropped"] == {"duplicate": 0, "bad_row": 2}


def test_too_many_bad_rows_fail_the_job(make_job: MakeJob) -> None:
    base_dir = make_job({**QUICK, "on_bad_row": "drop", "bad_row_share": "0.0001"})
    with ratings_file(base_dir).open("a") as file:
        file.write("1,1,4.7,5\nx,1,4.0,5\n")
    expected = r"2 of 3221 rows can't be used .* rating is '4\.7'"
    with pytest.raises(DataError, match=expected):
        run(base_dir)


def test_trees_are_grown_on_a_sample_with_the_features_of_all_rows(
    make_job: MakeJob,
) -> None:
    base_dir = make_job(QUICK)
    sampled = copy_of(base_dir, "sampled", {**QUICK, "tree_rows": "1000"})
    run(base_dir)
    assert run(sampled)["train"]["n_rows"] == 2253
    of_all = model_files(base_dir)
    of_sample = model_files(sampled)
    assert of_all["features.npz"] == of_sample["features.npz"]
    assert of_all["booster.ubj"] != of_sample["booster.ubj"]


def test_a_piped_channel_trains_the_same_model(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    piped = copy_of(base_dir, "piped")
    run(base_dir)

    channel = piped / "input" / "data" / "training"
    names = ("movies.csv", "ratings.csv")
    content = b"".join((channel / name).read_bytes() for name in names)
    shutil.rmtree(channel)
    fifo = piped / "input" / "data" / "training_0"
    os.mkfifo(fifo)
    configure(piped, "inputdataconfig", {"training": {"TrainingInputMode": "Pipe"}})
    feeder = threading.Thread(target=fifo.write_bytes, args=[content])
    feeder.start()
    run(piped)
    feeder.join(10)
    for name in ("features.npz", "booster.ubj"):
        assert model_files(base_dir)[name] == model_files(piped)[name]


def test_whole_stars_in_an_older_format_make_five_classes(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    lines = []
    for row in read_rows(ratings_file(base_dir)):
        stars = str(math.ceil(float(row["rating"])))
        lines.append(
            "::".join([row["userId"], row["movieId"], stars, row["timestamp"]])
        )
    ratings_file(base_dir).with_suffix(".dat").write_text("\n".join(lines))
    ratings_file(base_dir).unlink()

    evaluation = run(base_dir)
    assert evaluation["test"]["class_values"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert artifact.load(base_dir / "model").class_values == (1.0, 2.0, 3.0, 4.0, 5.0)


def whole_stars_of(n_users: int) -> str:
    """A file of three ratings a user, all of them whole stars."""
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(1, n_users + 1):
        for movie in (1, 2, 3):
            stars = (user + movie) % 5 + 1
            lines.append(f"{user},{movie},{stars},{user * 100 + movie}")
    return "\n".join([*lines, ""])


def test_half_stars_among_the_test_rows_alone_make_ten_classes(
    make_job: MakeJob,
) -> None:
    hyperparameters = {**QUICK, "split": "temporal", "holdout": "0.1"}
    ratings = whole_stars_of(30) + "31,1,4.5,99999\n"

    test = run(make_job(hyperparameters, ratings=ratings))["test"]
    assert len(test["class_values"]) == 10
    assert sum(test["confusion_matrix"][8]) == 1


def test_few_half_stars_are_warned_of_as_likely_errors(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    run(make_job(QUICK, ratings=whole_stars_of(60) + "61,1,4.5,99999\n"))
    [warning] = [each for each in caplog.messages if "ten classes" in each]
    assert warning.startswith("1 of 181 ratings aren't whole stars from 1 to 5")


# Early stopping, and stops from outside


def test_early_stopping_trains_fewer_rounds_and_says_so(
    make_job: MakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    searched = {"num_round": "300", "eta": "0.9", "early_stopping_rounds": "3"}
    with caplog.at_level("INFO"):
        evaluation = run(make_job({**QUICK, **searched}))
    rounds = evaluation["booster"]
    n_rounds = rounds["num_round"] - rounds["branch_rounds"]
    assert 1 <= n_rounds < 300
    assert rounds["branch_rounds"] == branch_rounds(n_rounds)
    assert f"early stopping chose {n_rounds} rounds" in caplog.text
    assert "metric validation:mlogloss=" in caplog.text


def test_early_stopping_without_rows_to_measure_on_is_refused(
    make_job: MakeJob,
) -> None:
    searched = {"early_stopping_rounds": "3", "early_stopping_share": "0.0001"}
    with pytest.raises(DataError, match="change early_stopping_share"):
        run(make_job({**QUICK, **searched}))


@pytest.mark.parametrize("n_rounds", [0, 1, 6, 20])
def test_a_stop_after_any_round_of_early_stopping_leaves_a_model(
    make_job: MakeJob, n_rounds: int
) -> None:
    base_dir = make_job({**QUICK, "num_round": "12", "early_stopping_rounds": "5"})
    booster = run(base_dir, StopAfter(ASKED_BEFORE_BOOSTING + n_rounds))["booster"]
    assert booster["stopped"] is True
    assert booster["num_round"] >= 1
    saved = artifact.load(base_dir / "model").booster
    assert isinstance(saved, xgboost.Booster)
    assert saved.num_boosted_rounds() == booster["num_round"]


class StopAtLine(logging.Handler):
    """SIGTERM comes once a line with this text is logged."""

    def __init__(self, text: str, stop: StopSignal) -> None:
        super().__init__()
        self.text = text
        self.stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            self.stop.requested = True


@pytest.fixture
def stop_after_search() -> Iterator[StopSignal]:
    """A stop that comes between the search and the final training."""
    stop = StopSignal()
    handler = StopAtLine("early stopping chose", stop)
    logger = logging.getLogger("train.booster")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stop
    logger.setLevel(level)
    logger.removeHandler(handler)


def test_a_stop_in_the_final_training_keeps_the_longer_model_of_the_search(
    make_job: MakeJob, stop_after_search: StopSignal
) -> None:
    base_dir = make_job({**QUICK, "num_round": "12", "early_stopping_rounds": "12"})
    evaluation = run(base_dir, stop_after_search)
    assert evaluation["booster"]["num_round"] > 1


def test_a_stop_before_the_first_round_leaves_no_model(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    with pytest.raises(StoppedError, match="stopped by SIGTERM before the features"):
        run(base_dir, StopSignal(requested=True))
    assert model_files(base_dir) == {}
