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

import pytest

from container.image import ImageFacts, build
from launcher.local.settings import Settings
from tests.launcher.conftest import Result
from tests.launcher.local.account import clients, docker

NAME = "flow"
PLAIN = ("-p", "features=none", "-p", "hidden_share=0")


@dataclass
class Project:
    """A folder with a configuration, and the command line run in it."""

    folder: Path
    settings: Settings
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
        result = self(*arguments)
        assert result.code == 0, result.err
        return result


@pytest.fixture(scope="module")
def image() -> ImageFacts:
    return build("halfstar:test")


@pytest.fixture(scope="module")
def project(
    settings: Settings,
    image: ImageFacts,
    small_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """With all that `train` needs; whatever the tests leave is cleaned up."""
    project = Project(tmp_path_factory.mktemp("flow"), settings, small_data)
    project.good("init")
    project.good("push", image.tag)
    project.good("data")
    yield project
    project.good("cleanup", "--yes")


@pytest.fixture(scope="module")
def trained(project: Project) -> str:
    """The name of a completed job."""
    return str(
        project.good("train", "-p", "num_round=10", "--json").json["training_job"]
    )


@pytest.fixture(scope="module")
def endpoint(project: Project, trained: str) -> str:
    """An endpoint in service."""
    return str(project.good("deploy", "--job", trained, "--json").json["endpoint"])


def test_train_ends_with_the_metrics_and_the_evaluation(
    project: Project, trained: str
) -> None:
    again = project.good("train", "-p", "num_round=10", "--json")
    assert again.json["training_job"] == trained
    assert "is done already" in again.err
    assert again.json["evaluation"]["test"]["rmse"] == pytest.approx(
        again.json["metrics"]["test:rmse"], abs=1e-6
    )
    table = project.good("train", "-p", "num_round=10").out
    assert re.search(r"^test +[0-9,]+ +[0-9.]+ % ", table, re.MULTILINE)
    assert "train.pipeline" in project.good("logs", trained).out


@pytest.mark.usefixtures("endpoint")
def test_predict_gives_titles_and_ratings(project: Project) -> None:
    answers = project.good("predict", "1:1", "1:3", "999999:1", "--json").json
    assert [(a["userId"], a["movieId"], a["known_user"]) for a in answers] == [
        (1, 1, True),
        (1, 3, True),
        (999999, 1, False),
    ]
    assert answers[0]["title"] == "Toy Story (1995)"
    assert "Toy Story (1995)" in project.good("predict", "1:1").out
    rows = project.folder / "rows.csv"
    rows.write_text("movieId,userId\n1,1\n3,1\n")
    from_file = project.good("predict", "--file", str(rows), "--json").json
    assert from_file == answers[:2]
    transformed = project.folder / "answers.jsonl"
    project.good("transform", str(rows), "--output", str(transformed))
    assert [
        json.loads(line) for line in transformed.read_text().splitlines()
    ] == answers[:2]


@pytest.mark.usefixtures("endpoint")
def test_what_the_model_refuses_is_said_in_its_own_words(project: Project) -> None:
    result = project("predict", "1:1:-5")
    assert result.code == 3
    assert (
        "launcher: endpoint flow: line 1: timestamp is -5, expected seconds since 1970"
        in result.err
    )


@pytest.mark.usefixtures("endpoint")
def test_recommendations_are_the_best_of_what_the_user_has_not_rated(
    project: Project,
) -> None:
    answer = project.good(
        "recommend",
        "1",
        "-n",
        "5",
        "--genre",
        "Comedy",
        "--year-from",
        "1990",
        "--json",
    ).json
    assert (answer["userId"], answer["known_user"], len(answer["recommendations"])) == (
        1,
        True,
        5,
    )
    stars = [movie["expected_rating"] for movie in answer["recommendations"]]
    assert stars == sorted(stars, reverse=True)
    assert all("Comedy" in movie["genres"] for movie in answer["recommendations"])
    shown = project.good(
        "recommend", "1", "-n", "5", "--genre", "Comedy", "--year-from", "1990"
    ).out
    assert answer["recommendations"][0]["title"] in shown.splitlines()[1]
    assert "isn't known" in project.good("recommend", "999999", "-n", "1").err
    refused = project("recommend", "1", "--genre", "Opera")
    assert refused.code == 3
    assert "no movie has 'Opera'" in refused.err


@pytest.mark.usefixtures("endpoint")
def test_deploy_is_done_once_and_updated_in_place(project: Project) -> None:
    assert "already" in project.good("deploy").err
    first = project.good("deploy", "--json").json["config"]
    second = project.good("deploy", "--kind", "serverless", "--json").json["config"]
    assert second != first
    answer = project.good("predict", "1:1", "--json").json
    assert answer[0]["movieId"] == 1
    # What kind it is, `predict` finds out.
    project.good("deploy", "--kind", "async")
    assert project.good("predict", "1:1", "--json").json == answer
    refused = project("predict", "1:1:-5")
    assert (refused.code, "line 1: timestamp is -5" in refused.err) == (3, True)
    assert project.good("deploy", "--json").json["config"] == first


def test_every_command_goes_on_when_it_is_run_again_after_it_was_killed(
    project: Project, image: ImageFacts
) -> None:
    """One project through its commands, each killed when it has said what it is about
    to do.
    """
    own = ("--set", "name=killed")
    project.good(*own, "init")
    project.good(*own, "data")
    for command, said in (
        (("push", image.tag), "push "),
        (("train", "-p", "num_round=3", *PLAIN), "start training job"),
        (("deploy",), "create endpoint killed"),
        (("cleanup", "--yes"), "delete endpoint killed"),
    ):
        with subprocess.Popen(
            project.command(*own, *command),
            stderr=subprocess.PIPE,
            text=True,
            cwd=project.folder,
            env=project.environment,
        ) as killed:
            assert killed.stderr is not None
            assert any(line.startswith(said) for line in killed.stderr), (
                f"{said!r} wasn't said"
            )
            killed.kill()
        project.good(*own, *command)
        assert project.good(*own, *command, "--dry-run").json == {"plan": []}


def test_register_keeps_the_evaluation(project: Project, trained: str) -> None:
    arn = project.good("register", "--job", trained, "--json").json["model_package"]
    assert (
        project.good("register", "--job", trained, "--json").json["model_package"]
        == arn
    )
    client = clients(project.settings)
    package = client("sagemaker").describe_model_package(ModelPackageName=arn)
    uri = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    stored = json.loads(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert (
        stored
        == project.good("train", "-p", "num_round=10", "--json").json["evaluation"]
    )


def test_a_job_that_fails_gives_its_reason_and_code_3(project: Project) -> None:
    result = project(
        "train", "-p", "num_round=10", "-p", "split=temporal", "-p", "features=colour"
    )
    assert result.code == 3
    last = result.err.strip().splitlines()[-1]
    assert re.match(
        r"launcher: training job flow-\w+ is Failed: .*features is 'colour', expected default, all",
        last,
    )


def test_a_container_that_is_killed_is_a_failed_job(project: Project) -> None:
    name = project.good("train", "-p", "num_round=90000", "--detach").out.strip()
    following = subprocess.Popen(
        project.command("train", "-p", "num_round=90000"),
        stderr=subprocess.PIPE,
        text=True,
        cwd=project.folder,
        env=project.environment,
    )
    with following:
        assert following.stderr is not None
        for line in following.stderr:
            if "rounds/s" in line:
                break
        shown = (
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Command}}",
            "--filter",
            f"label={project.settings.label}",
        )
        found = [
            line.split()[0]
            for line in docker("ps", *shown).stdout.splitlines()
            if "train" in line
        ]
        assert len(found) == 1
        docker("kill", *found)
        said = following.stderr.read()
        assert following.wait(60) == 3
    assert f"training job {name} is Failed" in said


def test_ctrl_c_leaves_a_job_that_goes_on_and_stop_ends_it(project: Project) -> None:
    arguments = ("train", "-p", "num_round=80000")
    following = subprocess.Popen(
        project.command(*arguments),
        stderr=subprocess.PIPE,
        text=True,
        cwd=project.folder,
        env=project.environment,
    )
    with following:
        assert following.stderr is not None
        for line in following.stderr:
            if "rounds/s" in line:
                break
        following.send_signal(signal.SIGINT)
        said = following.stderr.read()
        assert following.wait(60) == 130
    interrupted = re.search(
        r"interrupted while: follow training job (\S+); the job goes on", said
    )
    assert interrupted
    name = interrupted[1]
    assert project.good("status", name, "--json").json[0]["state"] == "InProgress"
    project.good("stop", name)
    assert project.good("status", name, "--json").json[0]["state"] == "Stopped"
    # The same work is then begun anew, under the next number.
    plan = project.good(*arguments, "--dry-run").json["plan"]
    assert plan[0]["parameters"]["TrainingJobName"] == f"{name}-2"


@pytest.mark.usefixtures("endpoint")
def test_an_update_that_fails_leaves_the_last_good_configuration_in_service(
    project: Project, trained: str
) -> None:
    before = project.good("deploy", "--job", trained, "--json").json["config"]
    client = clients(project.settings)
    other = project.good("train", "-p", "num_round=3", "--json").json
    bucket, _, key = other["model"].removeprefix("s3://").partition("/")
    # A model archive that holds no model: the container says so and ends.
    client("s3").put_object(Bucket=bucket, Key=key, Body=empty_archive())
    result = project("deploy", "--job", other["training_job"])
    assert result.code == 3
    assert re.search(
        "the last good (one|configuration),? is in service again", result.err
    )
    described = client("sagemaker").describe_endpoint(EndpointName=NAME)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == (
        "InService",
        before,
    )
    assert project.good("predict", "1:1", "--json").json[0]["movieId"] == 1


def empty_archive() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz"):
        pass
    return stream.getvalue()


def test_wrong_credentials_are_said_to_be_wrong(project: Project) -> None:
    result = project(
        "status",
        AWS_ACCESS_KEY_ID="AKIAWRONGWRONGWRONG1",
        AWS_SECRET_ACCESS_KEY="wrong-secret",
    )
    assert result.code == 1
    assert "the credentials were refused" in result.err
    assert "wrong-secret" not in result.err


def test_a_registry_that_is_not_there_stops_train_before_a_job_is_made(
    project: Project,
) -> None:
    result = project("train", HALFSTAR_REGISTRY="127.0.0.1:9")
    assert result.code == 1
    assert "registry 127.0.0.1:9 can't be reached" in result.err


def test_cleanup_leaves_nothing(
    settings: Settings, image: ImageFacts, small_data: Path, tmp_path: Path
) -> None:
    """A project of its own from beginning to end."""
    project = Project(tmp_path, settings, small_data)
    own = ("--set", "name=whole")
    before = docker(
        "ps", "--all", "--quiet", "--filter", f"label={settings.label}"
    ).stdout
    for arguments in (
        ("init",),
        ("data",),
        ("push", image.tag),
        ("train", "-p", "num_round=3"),
        ("deploy",),
    ):
        project.good(*own, *arguments)
    project.good(*own, "register")
    rows = tmp_path / "rows.csv"
    rows.write_text("1,1\n")
    project.good(*own, "transform", str(rows))
    deleted = project.good(*own, "cleanup", "--yes", "--json").json["deleted"]
    assert {entry["kind"] for entry in deleted} >= {
        "endpoint", "endpoint config", "model", "model package", "model package group", "training job", "bucket",
        "repository", "role", "log streams",
    }  # fmt: skip
    assert project.good(*own, "cleanup", "--json").json == {"deleted": []}
    client = clients(settings)
    sagemaker = client("sagemaker")
    assert sagemaker.list_endpoints(NameContains="whole")["Endpoints"] == []
    assert sagemaker.list_models(NameContains="whole")["Models"] == []
    assert (
        sagemaker.list_training_jobs(NameContains="whole")["TrainingJobSummaries"] == []
    )
    assert "whole" not in {
        group["logGroupName"].rpartition("/")[2]
        for group in client("logs").describe_log_groups()["logGroups"]
    }
    assert not [
        bucket
        for bucket in client("s3").list_buckets()["Buckets"]
        if bucket["Name"].startswith("whole")
    ]
    assert (
        docker("ps", "--all", "--quiet", "--filter", f"label={settings.label}").stdout
        == before
    )
