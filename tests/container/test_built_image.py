"""The image in a real engine: its contents, training, serving, and every failure."""

from __future__ import annotations

import csv
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from container.base import LABEL
from container.image import ROOT, ImageFacts
from container.job_folder import make_job_folder
from launcher.play.answers import Answers
from launcher.play.asking import ServerClient
from launcher.play.data import PlayData
from launcher.play.model_server import serving
from launcher.source import build_arguments
from tests.container.image_runner import ImageRunner

MakeJob = Callable[..., Path]

QUICK = {"num_round": "5", "max_depth": "3"}
HEADER = "userId,movieId,rating,timestamp\n"
CAPABILITIES = "com.amazonaws.sagemaker.capabilities"
PYTHON = "/opt/halfstar/bin/python3"

# Asks the server from inside its own container, once it answers.
ASK_INSIDE = """\
import time, urllib.request
for _ in range(200):
    try:
        urllib.request.urlopen('http://127.0.0.1:8080/ping')
        break
    except OSError:
        time.sleep(0.1)
url = 'http://127.0.0.1:8080/invocations'
request = urllib.request.Request(url, b'1,318', {'Content-Type': 'text/csv'})
print(urllib.request.urlopen(request).read().decode())
"""


def post(url: str, body: bytes, content_type: str, accept: str) -> bytes:
    headers = {"Content-Type": content_type, "Accept": accept}
    request = urllib.request.Request(f"{url}/invocations", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: bytes = response.read()
    return answer


def evaluation(base_dir: Path) -> dict[str, Any]:
    path = base_dir / "output" / "data" / "evaluation.json"
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def failure(base_dir: Path) -> str:
    return (base_dir / "output" / "failure").read_text()


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# What is in it


def test_it_adds_at_most_550_mb_to_its_base(image: ImageFacts) -> None:
    assert image.bytes_over_base <= 550_000_000


def test_it_has_its_labels_entry_point_and_command(runner: ImageRunner) -> None:
    (facts,) = json.loads(runner.docker("image", "inspect", runner.image.tag).stdout)
    config = facts["Config"]
    labels = config["Labels"]
    assert labels[f"{CAPABILITIES}.accept-bind-to-port"] == "true"
    assert labels[f"{CAPABILITIES}.multi-models"] == "true"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    built = build_arguments(ROOT, os.environ)
    assert labels["org.opencontainers.image.created"] == built["CREATED"]
    assert labels["org.halfstar.gpu"] == ""
    assert config["Entrypoint"][0] == PYTHON
    assert config["Cmd"] == ["train"]
    assert config["User"] == ""


def test_it_has_no_compiler_no_pip_and_nothing_in_opt_ml(runner: ImageRunner) -> None:
    site_packages = "/opt/halfstar/lib/python3*/site-packages"
    script = (
        "command -v gcc cc make; "
        "ls -A /opt/ml /root/.cache 2>/dev/null; "
        f"ls -d /opt/halfstar/bin/pip* {site_packages}/pip 2>/dev/null; "
        "true"
    )
    options = ("--rm", "--label", LABEL, "--entrypoint", "sh")
    result = runner.docker("run", *options, runner.image.tag, "-c", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""


def test_an_unknown_command_is_refused(runner: ImageRunner, tmp_path: Path) -> None:
    result = runner.run(tmp_path, "bash")
    assert result.returncode == 2
    assert "'bash' is not a command of this image" in result.stderr


# Training


def test_the_tutorials_features_reach_the_tutorials_true_accuracy(
    runner: ImageRunner, data_dir: Path, tmp_path: Path
) -> None:
    # By default trees are held back, because many of our features say the same. The
    # tutorial's few features don't, so these hyperparameters let the trees go further.
    hyperparameters = {
        "split": "tutorial",
        "features": "ids",
        "num_round": "160",
        "eta": "0.15",
        "max_depth": "8",
        "min_child_weight": "5",
        "gamma": "0",
        "subsample": "0.7",
        "colsample_bytree": "0.8",
        "colsample_bynode": "1",
        "hidden_share": "0",
        "movie_rounds": "0",
        "user_rounds": "0",
    }
    make_job_folder(tmp_path, data_dir, hyperparameters)
    result = runner.run(tmp_path, "train")
    assert result.returncode == 0, result.stdout + result.stderr
    assert evaluation(tmp_path)["test"]["accuracy"] >= 0.33


def test_our_features_beat_the_tutorials_and_the_baselines(trained: Path) -> None:
    figures = evaluation(trained)
    test = figures["test"]
    assert figures["data"]["n_train"] == 70_585
    assert test["n_rows"] == 30_251
    assert test["accuracy"] >= 0.37
    assert test["rmse"] <= 0.82
    for baseline in figures["baselines"].values():
        assert test["accuracy"] > baseline["accuracy"]
        assert test["rmse"] < baseline["rmse"]
        assert test["log_loss"] < baseline["log_loss"]
    assert (trained / "output" / "success").exists()
    assert not (trained / "output" / "failure").exists()


def test_the_job_leaves_a_report_of_itself(trained: Path) -> None:
    report = trained / "output" / "data" / "report.html"
    page = report.read_text()
    exact = evaluation(trained)["test"]["accuracy"]
    assert f"{100 * exact:.1f}%" in page
    assert report.stat().st_size < 1_500_000


def test_without_arguments_it_trains_offline_on_a_read_only_root(
    runner: ImageRunner, make_job: MakeJob
) -> None:
    base_dir = make_job(QUICK)
    result = runner.run(base_dir, options=("--network", "none", "--read-only"))
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert (base_dir / "model" / "manifest.json").exists()
    assert "metric test:rmse=" in output


def test_data_alone_is_enough(
    runner: ImageRunner, small_data: Path, tmp_path: Path
) -> None:
    channel = tmp_path / "input" / "data" / "training"
    channel.parent.mkdir(parents=True)
    channel.symlink_to(small_data)
    options = ("--volume", f"{small_data}:{small_data}:ro")
    result = runner.run(tmp_path, "train", options=options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert evaluation(tmp_path)["test"]["n_rows"] > 0


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (
            {"ratings": ""},
            "no ratings (userId,movieId,rating[,timestamp]) in channel training",
        ),
        (
            {"ratings": HEADER},
            "training/ratings.csv has no rows",
        ),
        (
            {"ratings": HEADER + "1,1,4.0,5\n1,3,4.7,5\n"},
            "training/ratings.csv line 3: rating is '4.7', expected half stars",
        ),
        (
            {"ratings": "userId,movieId,timestamp\n1,1,5\n"},
            "training/ratings.csv has no column rating, its header is",
        ),
        (
            {"ratings": HEADER + "1,999999,4.0,5\n"},
            "training/ratings.csv line 2: movieId is '999999', expected a movie",
        ),
        (
            {"movies": "movieId,title\n1,A\n"},
            "training/movies.csv has no column genres",
        ),
    ],
)
def test_bad_data_writes_its_cause_into_failure(
    runner: ImageRunner, make_job: MakeJob, files: dict[str, str], cause: str
) -> None:
    base_dir = make_job(QUICK, **files)
    assert runner.run(base_dir, "train").returncode == 1
    assert failure(base_dir).startswith(cause)
    assert list((base_dir / "model").iterdir()) == []


def test_all_bad_hyperparameters_are_written_into_failure(
    runner: ImageRunner, make_job: MakeJob
) -> None:
    base_dir = make_job({"num_rounds": "5", "eta": "2"})
    assert runner.run(base_dir, "train").returncode == 1
    assert failure(base_dir) == (
        "num_rounds is unknown, did you mean num_round?; "
        "eta is '2', expected a number above 0 to 1"
    )


def test_a_missing_channel_is_written_into_failure(
    runner: ImageRunner, tmp_path: Path
) -> None:
    assert runner.run(tmp_path, "train").returncode == 1
    cause = "no channel named training (found none)"
    assert failure(tmp_path).startswith(cause)


def test_a_stopped_job_keeps_its_rounds_so_far(
    runner: ImageRunner, make_job: MakeJob
) -> None:
    base_dir = make_job({**QUICK, "num_round": "100000"})
    container = runner.start(base_dir, "train")
    while "round 1 of" not in runner.logs(container):
        time.sleep(0.1)
    runner.docker("stop", "--time", "60", container)
    assert runner.wait(container) == 0

    rounds = evaluation(base_dir)["booster"]
    assert rounds["stopped"] is True
    assert 1 <= rounds["num_round"] < 100_000
    assert (base_dir / "model" / "manifest.json").exists()


# Serving


def test_the_server_answers_every_test_row_as_training_evaluated_it(
    runner: ImageRunner, trained: Path, data_dir: Path
) -> None:
    timestamps = {}
    for row in read_csv(data_dir / "ratings.csv"):
        timestamps[row["userId"], row["movieId"]] = row["timestamp"]

    rows = read_csv(trained / "output" / "data" / "predictions.csv")
    lines = []
    for row in rows:
        user_id = row["userId"]
        movie_id = row["movieId"]
        lines.append(f"{user_id},{movie_id},{timestamps[user_id, movie_id]}")

    memory = ("--memory", "512m", "--memory-swap", "512m")
    _, url = runner.serve(trained, "--read-only", *memory)
    body = "\n".join(lines).encode()
    text = post(url, body, "text/csv", "text/csv; verbose=true").decode()
    answers = text.split("\n")

    assert len(answers) == len(rows) == 30_251
    for row, answer in zip(rows, answers, strict=True):
        predicted, expected_rating, *_ = answer.split(",")
        assert float(predicted) == float(row["predicted"])
        assert float(expected_rating) == float(row["expected_rating"])

    # A row asked alone gets the same answer as among all the others.
    for row, line in list(zip(rows, lines, strict=True))[::3000]:
        (one,) = json.loads(post(url, line.encode(), "text/csv", "application/json"))
        assert one["expected_rating"] == float(row["expected_rating"])
        assert one["rating"] == float(row["predicted"])


def test_a_json_answer_has_title_genres_and_what_is_known(
    runner: ImageRunner, trained: Path
) -> None:
    _, url = runner.serve(trained)
    questions = [
        {"userId": 1, "movieId": 318},
        {"userId": 10**9, "movieId": 10**9},
    ]
    body = json.dumps(questions).encode()
    known, unknown = json.loads(post(url, body, "application/json", "application/json"))

    assert known["title"] == "Shawshank Redemption, The (1994)"
    assert known["genres"] == ["Crime", "Drama"]
    assert known["known_user"] is True
    assert known["known_movie"] is True
    assert sum(known["probabilities"].values()) == pytest.approx(1, abs=1e-6)

    assert unknown["title"] is None
    assert unknown["known_user"] is False
    assert unknown["known_movie"] is False
    assert 0.5 <= unknown["expected_rating"] <= 5


def test_a_bad_row_is_refused_and_the_server_goes_on(
    runner: ImageRunner, trained: Path
) -> None:
    _, url = runner.serve(trained)
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(url, b"1,318\n1,x\n", "text/csv", "text/csv")
    assert caught.value.code == 400
    assert b"line 2: movieId is 'x'" in caught.value.read()
    assert post(url, b"1,318\n", "text/csv", "text/csv").strip()


def test_serve_is_process_1_and_ends_well_on_sigterm(
    runner: ImageRunner, trained: Path
) -> None:
    container, _ = runner.serve(trained)
    command_line = runner.docker("exec", container, "cat", "/proc/1/cmdline").stdout
    assert command_line.split("\0")[1].endswith("/serve")
    # The log would say so if our kernel were missing or differed from XGBoost.
    assert "XGBoost itself" not in runner.logs(container)

    runner.docker("kill", "--signal", "TERM", container)
    assert runner.wait(container) == 0


def test_the_playground_asks_a_container_of_its_own(
    image: ImageFacts, trained: Path, data_dir: Path
) -> None:
    said: list[str] = []
    with (
        serving(trained / "model", image.tag, said.append) as url,
        ServerClient(url) as client,
    ):
        answers = Answers(client, PlayData.read(data_dir), "the image")
        told = answers.predict({"user_id": 1, "movie_id": 318})
    assert "in a container of" in said[0]
    assert told["title"] == "Shawshank Redemption, The (1994)"
    assert told["reasons"][0]["words"]


def test_serving_needs_no_network(runner: ImageRunner, trained: Path) -> None:
    container = runner.start(trained, "serve", options=("--network", "none"))
    answer = runner.docker("exec", container, PYTHON, "-c", ASK_INSIDE)
    log = answer.stderr + runner.logs(container)
    assert answer.returncode == 0, log
    assert 0.5 <= float(answer.stdout) <= 5, log


def test_without_a_model_serve_ends_with_one_line(
    runner: ImageRunner, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    result = runner.run(tmp_path, "serve")
    assert result.returncode == 1
    assert "no manifest.json in /opt/ml/model" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_model_is_never_served(
    runner: ImageRunner, make_job: MakeJob
) -> None:
    base_dir = make_job(QUICK)
    assert runner.run(base_dir, "train").returncode == 0
    booster = base_dir / "model" / "booster.ubj"
    booster.write_bytes(booster.read_bytes()[:-1])

    result = runner.run(base_dir, "serve")
    assert result.returncode == 1
    assert "booster.ubj isn't what training wrote" in result.stderr
