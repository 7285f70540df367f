"""The whole flow through the command line, over HTTP, with real jobs and endpoints; and
every way in which it fails.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import pytest

from container.image import ImageFacts, build
from launcher.docker import run_docker
from launcher.local.settings import StackSettings
from launcher.ports import LOOPBACK, free_port
from launcher.s3_uri import S3Uri
from tests.launcher.conftest import Result
from tests.launcher.local.stack_user import clients

NAME = "flow"
PLAIN = ("-p", "features=none", "-p", "hidden_share=0")
TEN_ROUNDS = ("train", "-p", "num_round=10")


@dataclass
class Project:
    """A folder with a configuration, and the command line run in it."""

    folder: Path
    settings: StackSettings
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "HALFSTAR_"))
        }
        return {
            **clean,
            **self.settings.environment(),
            "HALFSTAR_NAME": NAME,
            "HALFSTAR_DATA": str(self.data),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "launcher", "--poll-seconds", "0.3", *arguments]

    def __call__(self, *arguments: str, **environment: str) -> Result:
        """Run a command to its end, however it ends."""
        result = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment | environment,
            check=False,
        )
        assert "Traceback" not in result.stderr
        return Result(result.returncode, result.stdout, result.stderr)

    def good(self, *arguments: str) -> Result:
        """Run a command that must succeed."""
        result = self(*arguments)
        assert result.code == 0, result.err
        return result

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command; its stderr is a pipe."""
        return subprocess.Popen(
            self.command(*arguments),
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )


def stderr_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stderr is not None
    return process.stderr


def until_rounds_are_logged(process: subprocess.Popen[str]) -> None:
    assert any("rounds/s" in line for line in stderr_of(process))


def all_containers(settings: StackSettings) -> str:
    label = f"label={settings.label}"
    return run_docker("ps", "--all", "--quiet", "--filter", label).stdout


@pytest.fixture(scope="module")
def image() -> ImageFacts:
    return build("halfstar:test")


@pytest.fixture(scope="module")
def project(
    settings: StackSettings,
    image: ImageFacts,
    small_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """Has all that `train` needs; whatever the tests leave is cleaned up."""
    project = Project(tmp_path_factory.mktemp("flow"), settings, small_data)
    project.good("init")
    project.good("push", image.tag)
    project.good("data")
    yield project
    project.good("cleanup", "--yes")


@pytest.fixture(scope="module")
def trained(project: Project) -> str:
    """The name of a completed job."""
    return str(project.good(*TEN_ROUNDS, "--json").json["training_job"])


@pytest.fixture(scope="module")
def endpoint(project: Project, trained: str) -> str:
    """An endpoint in service."""
    return str(project.good("deploy", "--job", trained, "--json").json["endpoint"])


def test_train_ends_with_the_metrics_the_evaluation_and_a_report(
    project: Project, trained: str, tmp_path: Path
) -> None:
    again = project.good(*TEN_ROUNDS, "--json")
    assert again.json["training_job"] == trained
    assert "is done already" in again.err
    rmse = again.json["metrics"]["test:rmse"]
    assert again.json["evaluation"]["test"]["rmse"] == pytest.approx(rmse, abs=1e-6)
    table = project.good(*TEN_ROUNDS).out
    assert re.search(r"^test +[0-9,]+ +[0-9.]+% ", table, re.MULTILINE)
    assert "what the stages have cost" in project.good("logs", trained).out
    page = tmp_path / "report.html"
    project.good("report", trained, "--no-open", "--output", str(page))
    assert f"Training report: {trained}" in page.read_text()


@pytest.mark.usefixtures("endpoint")
def test_predict_gives_titles_and_ratings(project: Project) -> None:
    answers = project.good("predict", "1:1", "1:3", "999999:1", "--json").json
    members = ("userId", "movieId", "known_user")
    assert [tuple(answer[member] for member in members) for answer in answers] == [
        (1, 1, True),
        (1, 3, True),
        (999999, 1, False),
    ]
    assert answers[0]["title"] == "Toy Story (1995)"
    assert "Toy Story (1995)" in project.good("predict", "1:1").out


@pytest.mark.usefixtures("endpoint")
def test_predict_and_transform_answer_a_file_the_same(project: Project) -> None:
    answers = project.good("predict", "1:1", "1:3", "--json").json
    rows = project.folder / "rows.csv"
    rows.write_text("movieId,userId\n1,1\n3,1\n")
    assert project.good("predict", "--file", str(rows), "--json").json == answers

    output = project.folder / "answers.jsonl"
    project.good("transform", str(rows), "--output", str(output))
    lines = output.read_text().splitlines()
    assert [json.loads(line) for line in lines] == answers


@pytest.mark.usefixtures("endpoint")
def test_what_the_model_refuses_is_reported_in_its_own_words(project: Project) -> None:
    result = project("recommend", "1", "--genre", "Opera")
    assert result.code == 3
    assert "launcher: endpoint flow: " in result.err
    assert "no movie has 'Opera'" in result.err


@pytest.mark.usefixtures("endpoint")
def test_a_row_that_no_model_takes_is_refused_before_it_is_sent(
    project: Project,
) -> None:
    result = project("predict", "1:1:-5")
    assert result.code == 2
    assert "launcher: '1:1:-5': timestamp is '-5', expected seconds" in result.err


@pytest.mark.usefixtures("endpoint")
def test_recommendations_are_the_best_of_what_the_user_has_not_rated(
    project: Project,
) -> None:
    genre = ("--genre", "Comedy", "--year-from", "1990")
    command = ("recommend", "1", "-n", "5", *genre)
    answer = project.good(*command, "--json").json
    assert answer["userId"] == 1
    assert answer["known_user"] is True
    movies = answer["recommendations"]
    assert len(movies) == 5
    stars = [movie["expected_rating"] for movie in movies]
    assert stars == sorted(stars, reverse=True)
    assert all("Comedy" in movie["genres"] for movie in movies)
    _, first, *_ = project.good(*command).out.splitlines()
    assert movies[0]["title"] in first

    assert "isn't known" in project.good("recommend", "999999", "-n", "1").err


@pytest.mark.usefixtures("endpoint")
def test_movies_to_rate_go_on_from_what_was_rated(project: Project) -> None:
    first = project.good("onboarding", "-n", "3", "--json").json["onboarding"]
    assert len(first) == 3
    rated = first[0]["movieId"]
    after = project.good("onboarding", f"{rated}:4.5", "--json").json["onboarding"]
    assert rated not in [movie["movieId"] for movie in after]


@pytest.mark.usefixtures("endpoint")
def test_the_playground_asks_the_endpoint(project: Project) -> None:
    port = free_port()
    with project.start("play", "--no-open", "--port", str(port)) as play:
        assert any("Ctrl-C ends it" in line for line in stderr_of(play))
        told = httpx.post(
            f"http://{LOOPBACK}:{port}/api/predict",
            json={"user_id": 1, "movie_id": 318},
            timeout=60,
            trust_env=False,
        ).json()
        play.send_signal(signal.SIGINT)
        assert play.wait(30) == 130
    assert told["title"] == "Shawshank Redemption, The (1994)"
    assert told["known_user"]


def test_deploy_is_done_once_and_updates_in_place(project: Project) -> None:
    assert "already" in project.good("deploy").err
    first = project.good("deploy", "--json").json["config"]
    second = project.good("deploy", "--kind", "serverless", "--json").json["config"]
    assert second != first
    assert project.good("rollback", "--json").json["config"] == first
    assert project.good("rollback", "--json").json["config"] == second
    (shown,) = project.good("status", NAME, "--json").json
    assert shown["endpoint"]["config"] == second
    assert shown["endpoint"]["before"] == first
    answer = project.good("predict", "1:1", "--json").json
    assert answer[0]["movieId"] == 1

    # `predict` finds out what kind it is.
    project.good("deploy", "--kind", "async")
    assert project.good("predict", "1:1", "--json").json == answer
    refused = project("recommend", "1", "--genre", "Opera")
    assert refused.code == 3
    assert "no movie has 'Opera'" in refused.err
    assert project.good("deploy", "--json").json["config"] == first


def test_every_command_goes_on_when_it_is_run_again_after_it_was_killed(
    project: Project, image: ImageFacts
) -> None:
    """A project of its own. Each command is killed when it has said what it is about to
    do.
    """
    own = ("--set", "name=killed")
    project.good(*own, "init")
    project.good(*own, "data")
    commands = [
        (("push", image.tag), "push "),
        (("train", "-p", "num_round=3", *PLAIN), "start training job"),
        (("deploy",), "create endpoint killed"),
        (("cleanup", "--yes"), "endpoint "),
    ]
    for command, announcement in commands:
        with project.start(*own, *command) as process:
            lines = stderr_of(process)
            was_said = any(line.startswith(announcement) for line in lines)
            assert was_said, f"{announcement!r} wasn't said"
            process.kill()
        project.good(*own, *command)
        assert project.good(*own, *command, "--dry-run").json == {"plan": []}


def test_register_keeps_the_evaluation(project: Project, trained: str) -> None:
    command = ("register", "--job", trained, "--json")
    arn = project.good(*command).json["model_package"]
    assert project.good(*command).json["model_package"] == arn

    client = clients(project.settings)
    package = client("sagemaker").describe_model_package(ModelPackageName=arn)
    statistics = package["ModelMetrics"]["ModelQuality"]["Statistics"]
    place = S3Uri.parse(statistics["S3Uri"])
    found = client("s3").get_object(Bucket=place.bucket, Key=place.key)
    stored = json.loads(found["Body"].read())
    assert stored == project.good(*TEN_ROUNDS, "--json").json["evaluation"]


def test_a_job_that_fails_gives_its_reason_and_code_3(project: Project) -> None:
    result = project(*TEN_ROUNDS, "-p", "device=cuda")
    assert result.code == 3
    last = result.err.strip().splitlines()[-1]
    expected = (
        r"launcher: training job flow-\w+ is Failed: "
        r".*device is cuda, but "
    )
    assert re.match(expected, last)
    name = last.split()[3]
    assert "device is cuda, but " in project.good("status", name).out
    refused = project("deploy", "--job", name)
    assert refused.code == 1
    assert f"training job {name} has no model to use, it is Failed" in refused.err


def test_a_job_whose_container_is_killed_has_failed(project: Project) -> None:
    command = ("train", "-p", "num_round=90000")
    name = project.good(*command, "--detach").out.strip()
    with project.start(*command) as following:
        until_rounds_are_logged(following)
        run_docker("kill", *training_containers(project.settings))
        errors = stderr_of(following).read()
        assert following.wait(60) == 3
    assert f"training job {name} is Failed" in errors


def training_containers(settings: StackSettings) -> list[str]:
    """The ids of the running containers that train; others may serve."""
    listed = run_docker(
        "ps",
        "--no-trunc",
        *("--format", "{{.ID}} {{.Command}}"),
        *("--filter", f"label={settings.label}"),
    )
    lines = listed.stdout.splitlines()
    found = [line.split()[0] for line in lines if "train" in line]
    assert len(found) == 1
    return found


def test_ctrl_c_leaves_the_job_running_and_stop_ends_it(project: Project) -> None:
    command = ("train", "-p", "num_round=80000")
    with project.start(*command) as following:
        until_rounds_are_logged(following)
        following.send_signal(signal.SIGINT)
        errors = stderr_of(following).read()
        assert following.wait(60) == 130
    interrupted = re.search(
        r"interrupted while: follow training job (\S+); the job goes on", errors
    )
    assert interrupted
    name = interrupted[1]
    assert project.good("status", name, "--json").json[0]["state"] == "InProgress"
    project.good("stop", name)
    assert project.good("status", name, "--json").json[0]["state"] == "Stopped"

    # The same work is begun anew, under the next number.
    plan = project.good(*command, "--dry-run").json["plan"]
    assert plan[0]["parameters"]["TrainingJobName"] == f"{name}-2"


@pytest.mark.usefixtures("endpoint")
def test_an_update_that_fails_leaves_the_last_good_configuration_in_service(
    project: Project, trained: str
) -> None:
    before = project.good("deploy", "--job", trained, "--json").json["config"]
    client = clients(project.settings)
    other = project.good("train", "-p", "num_round=3", "--json").json
    # An archive that holds no model: the container says so and ends.
    model = S3Uri.parse(other["model"])
    client("s3").put_object(Bucket=model.bucket, Key=model.key, Body=empty_archive())

    result = project("deploy", "--job", other["training_job"])
    assert result.code == 3
    assert re.search(
        "the last good (one|configuration),? is in service again", result.err
    )
    described = client("sagemaker").describe_endpoint(EndpointName=NAME)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == before
    assert project.good("predict", "1:1", "--json").json[0]["movieId"] == 1


def empty_archive() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz"):
        pass
    return stream.getvalue()


def test_wrong_credentials_are_reported_but_not_shown(project: Project) -> None:
    result = project(
        "status",
        AWS_ACCESS_KEY_ID="AKIAWRONGWRONGWRONG1",
        AWS_SECRET_ACCESS_KEY="wrong-secret",
    )
    assert result.code == 1
    assert "the credentials were refused" in result.err
    assert "wrong-secret" not in result.err


def test_an_absent_registry_stops_train_before_a_job_is_created(
    project: Project,
) -> None:
    result = project("train", HALFSTAR_REGISTRY="127.0.0.1:9")
    assert result.code == 1
    assert "registry 127.0.0.1:9 can't be reached" in result.err


def test_cleanup_leaves_nothing(
    settings: StackSettings, image: ImageFacts, small_data: Path, tmp_path: Path
) -> None:
    """A project of its own from beginning to end."""
    project = Project(tmp_path, settings, small_data)
    own = ("--set", "name=whole")
    before = all_containers(settings)
    rows = tmp_path / "rows.csv"
    rows.write_text("1,1\n")
    commands: list[tuple[str, ...]] = [
        ("init",),
        ("data",),
        ("push", image.tag),
        ("train", "-p", "num_round=3"),
        ("deploy",),
        ("register",),
        ("transform", str(rows)),
    ]
    for command in commands:
        project.good(*own, *command)

    deleted = project.good(*own, "cleanup", "--yes", "--json").json["deleted"]
    assert {entry["kind"] for entry in deleted} >= {
        "bucket",
        "endpoint",
        "endpoint config",
        "log streams",
        "model",
        "model package",
        "model package group",
        "repository",
        "role",
        "training job",
    }
    assert project.good(*own, "cleanup", "--json").json == {"deleted": []}

    client = clients(settings)
    sagemaker = client("sagemaker")
    assert sagemaker.list_endpoints(NameContains="whole")["Endpoints"] == []
    assert sagemaker.list_models(NameContains="whole")["Models"] == []
    jobs = sagemaker.list_training_jobs(NameContains="whole")
    assert jobs["TrainingJobSummaries"] == []
    groups = client("logs").describe_log_groups()["logGroups"]
    group_names = {group["logGroupName"].rpartition("/")[2] for group in groups}
    assert "whole" not in group_names
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    assert not [name for name in buckets if name.startswith("whole")]
    assert all_containers(settings) == before
