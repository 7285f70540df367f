"""The image itself in a real engine: what is in it, training, serving, and every way to
fail.
"""

from __future__ import annotations

import csv
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from container.image import ImageFacts
from container.layout import lay_out

if TYPE_CHECKING:
    from conftest import Docker

MakeJob = Callable[..., Path]
QUICK = {"num_round": "5", "max_depth": "3"}
HEADER = "userId,movieId,rating,timestamp\n"


def post(url: str, body: bytes, content_type: str, accept: str) -> bytes:
    request = urllib.request.Request(
        f"{url}/invocations", body, {"Content-Type": content_type, "Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: bytes = response.read()
    return answer


def evaluation(base_dir: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        (base_dir / "output" / "data" / "evaluation.json").read_bytes()
    )
    return value


# What is in it


def test_size_over_its_base(image: ImageFacts) -> None:
    assert image.bytes_over_base <= 550_000_000


def test_labels_entry_point_and_command(docker: Docker) -> None:
    config = json.loads(docker.command("image", "inspect", docker.image.tag).stdout)[0][
        "Config"
    ]
    assert (
        config["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"]
        == "true"
    )
    assert (
        config["Labels"]["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    )
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    assert config["Entrypoint"][0] == "/opt/halfstar/bin/python3"
    assert config["Cmd"] == ["train"]
    assert config["User"] == ""


def test_no_compiler_no_pip_and_nothing_in_opt_ml(docker: Docker) -> None:
    script = (
        "command -v gcc cc make; ls -A /opt/ml /root/.cache 2>/dev/null; "
        "ls -d /opt/halfstar/bin/pip* /opt/halfstar/lib/python3*/site-packages/pip 2>/dev/null; true"
    )
    shell = (
        "run",
        "--rm",
        "--label",
        "org.halfstar=1",
        "--entrypoint",
        "sh",
        docker.image.tag,
        "-c",
    )
    result = docker.command(*shell, script)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""


def test_an_unknown_command_is_refused(docker: Docker, tmp_path: Path) -> None:
    result = docker.run(tmp_path, "bash")
    assert result.returncode == 2
    assert "'bash' is no command of this image; it has train and serve" in result.stderr


# Training


def test_the_tutorials_features_reach_its_true_accuracy(
    docker: Docker, data_dir: Path, tmp_path: Path
) -> None:
    shares = {"hidden_share": "0", "movie_rounds": "0", "user_rounds": "0"}
    settings = {
        "features": "ids",
        "num_round": "160",
        "max_depth": "8",
        "colsample_bytree": "0.8",
        "eta": "0.15",
    }
    # What the defaults hold back is made for features of which many say the same.
    settings |= {
        "colsample_bynode": "1",
        "subsample": "0.7",
        "gamma": "0",
        "min_child_weight": "5",
    }
    lay_out(tmp_path, data_dir, {"split": "tutorial", **shares, **settings})
    result = docker.run(tmp_path, "train")
    assert result.returncode == 0, result.stdout + result.stderr
    assert evaluation(tmp_path)["test"]["accuracy"] >= 0.33


def test_our_features_are_ahead_of_it_and_of_the_baselines(trained: Path) -> None:
    figures = evaluation(trained)
    assert figures["train"]["n_rows"] == 70_585
    assert figures["test"]["n_rows"] == 30_251
    assert figures["test"]["accuracy"] >= 0.37
    assert figures["test"]["rmse"] <= 0.82
    for baseline in figures["baselines"].values():
        assert figures["test"]["accuracy"] > baseline["accuracy"]
        assert figures["test"]["rmse"] < baseline["rmse"]
        assert figures["test"]["log_loss"] < baseline["log_loss"]
    assert (trained / "output" / "success").exists()
    assert not (trained / "output" / "failure").exists()


def test_without_argument_it_trains_without_network_and_on_a_read_only_root(
    docker: Docker, make_job: MakeJob
) -> None:
    base_dir = make_job(QUICK)
    result = docker.run(base_dir, options=("--network", "none", "--read-only"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert (base_dir / "model" / "manifest.json").exists()
    assert "metric test:rmse=" in result.stdout + result.stderr


def test_data_alone_is_enough(docker: Docker, small_data: Path, tmp_path: Path) -> None:
    channel = tmp_path / "input" / "data" / "training"
    channel.parent.mkdir(parents=True)
    channel.symlink_to(small_data)
    options = ("--volume", f"{small_data}:{small_data}:ro")
    result = docker.run(tmp_path, "train", options=options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert evaluation(tmp_path)["test"]["n_rows"] > 0


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (
            {"ratings": ""},
            "no ratings (userId,movieId,rating[,timestamp]) in channel training",
        ),
        ({"ratings": HEADER}, "training/ratings.csv has no rows"),
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
def test_bad_data_ends_in_failure_cause_first(
    docker: Docker, make_job: MakeJob, files: dict[str, str], cause: str
) -> None:
    base_dir = make_job(QUICK, **files)
    assert docker.run(base_dir, "train").returncode == 1
    assert (base_dir / "output" / "failure").read_text().startswith(cause)
    assert list((base_dir / "model").iterdir()) == []


def test_bad_hyperparameters_end_in_failure_cause_first(
    docker: Docker, make_job: MakeJob
) -> None:
    base_dir = make_job({"num_rounds": "5", "eta": "2"})
    assert docker.run(base_dir, "train").returncode == 1
    failure = (base_dir / "output" / "failure").read_text()
    assert (
        failure
        == "num_rounds is unknown, did you mean num_round?; eta is '2', expected a number above 0 to 1"
    )


def test_no_channel_ends_in_failure_cause_first(docker: Docker, tmp_path: Path) -> None:
    assert docker.run(tmp_path, "train").returncode == 1
    assert (
        (tmp_path / "output" / "failure")
        .read_text()
        .startswith("no channel named training (found none)")
    )


def test_a_stop_keeps_the_rounds_so_far(docker: Docker, make_job: MakeJob) -> None:
    base_dir = make_job({**QUICK, "num_round": "100000"})
    container = docker.start(base_dir, "train")
    while "round 1 of" not in docker.logs(container):
        time.sleep(0.1)
    docker.command("stop", "--time", "60", container)
    assert docker.wait(container) == 0
    assert evaluation(base_dir)["booster"]["stopped"] is True
    assert 1 <= evaluation(base_dir)["booster"]["num_round"] < 100_000
    assert (base_dir / "model" / "manifest.json").exists()


# Serving


def test_served_is_what_was_evaluated_row_for_row(
    docker: Docker, trained: Path, data_dir: Path
) -> None:
    with (data_dir / "ratings.csv").open(newline="") as file:
        timestamp = {
            (row["userId"], row["movieId"]): row["timestamp"]
            for row in csv.DictReader(file)
        }
    with (trained / "output" / "data" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        f"{row['userId']},{row['movieId']},{timestamp[row['userId'], row['movieId']]}"
        for row in rows
    ]
    _, url = docker.serve(
        trained, "--read-only", "--memory", "512m", "--memory-swap", "512m"
    )
    answers = (
        post(url, "\n".join(lines).encode(), "text/csv", "text/csv; verbose=true")
        .decode()
        .split("\n")
    )
    assert len(answers) == len(rows) == 30_251
    for row, answer in zip(rows, answers, strict=True):
        predicted, expected_rating, *_ = answer.split(",")
        assert (float(predicted), float(expected_rating)) == (
            float(row["predicted"]),
            float(row["expected_rating"]),
        )
    # One at a time is the same as all at once.
    for row, line in list(zip(rows, lines, strict=True))[::3000]:
        (answer,) = json.loads(post(url, line.encode(), "text/csv", "application/json"))
        assert answer["expected_rating"] == float(row["expected_rating"])
        assert answer["rating"] == float(row["predicted"])


def test_an_answer_has_what_was_looked_up_inside(docker: Docker, trained: Path) -> None:
    _, url = docker.serve(trained)
    body = json.dumps(
        [{"userId": 1, "movieId": 318}, {"userId": 10**9, "movieId": 10**9}]
    ).encode()
    known, unknown = json.loads(post(url, body, "application/json", "application/json"))
    assert known["title"] == "Shawshank Redemption, The (1994)"
    assert known["genres"] == ["Crime", "Drama"]
    assert (known["known_user"], known["known_movie"]) == (True, True)
    assert sum(known["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert (unknown["known_user"], unknown["known_movie"], unknown["title"]) == (
        False,
        False,
        None,
    )
    assert 0.5 <= unknown["expected_rating"] <= 5


def test_bad_rows_are_refused_and_the_server_goes_on(
    docker: Docker, trained: Path
) -> None:
    _, url = docker.serve(trained)
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(url, b"1,318\n1,x\n", "text/csv", "text/csv")
    assert caught.value.code == 400
    assert b"line 2: movieId is 'x'" in caught.value.read()
    assert post(url, b"1,318\n", "text/csv", "text/csv").strip()


def test_serve_is_process_1_and_ends_well_on_sigterm(
    docker: Docker, trained: Path
) -> None:
    container, _ = docker.serve(trained)
    command_line = docker.command("exec", container, "cat", "/proc/1/cmdline").stdout
    assert command_line.split("\0")[1].endswith("/serve")
    assert "XGBoost itself" not in docker.logs(
        container
    )  # the kernel is there, and proved equal
    docker.command("kill", "--signal", "TERM", container)
    assert docker.wait(container) == 0


def test_serving_needs_no_network(docker: Docker, trained: Path) -> None:
    container = docker.start(trained, "serve", options=("--network", "none"))
    ask = (
        "import time, urllib.request as u\n"
        "for _ in range(200):\n"
        "    try: u.urlopen('http://127.0.0.1:8080/ping'); break\n"
        "    except OSError: time.sleep(0.1)\n"
        "request = u.Request('http://127.0.0.1:8080/invocations', b'1,318', {'Content-Type': 'text/csv'})\n"
        "print(u.urlopen(request).read().decode())"
    )
    answer = docker.command("exec", container, "/opt/halfstar/bin/python3", "-c", ask)
    assert 0.5 <= float(answer.stdout) <= 5, answer.stderr + docker.logs(container)


def test_without_a_model_it_ends_with_one_line(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    result = docker.run(tmp_path, "serve")
    assert result.returncode == 1
    assert "no manifest.json in /opt/ml/model" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_model_is_never_served(docker: Docker, make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    assert docker.run(base_dir, "train").returncode == 0
    booster = base_dir / "model" / "booster.ubj"
    booster.write_bytes(booster.read_bytes()[:-1])
    result = docker.run(base_dir, "serve")
    assert result.returncode == 1
    assert "booster.ubj isn't what training wrote" in result.stderr
