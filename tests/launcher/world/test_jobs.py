"""What completed jobs have left, from bytes and from a server of AWS's interface."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable

import pytest

from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.kinds import TRAINING_JOB
from launcher.world.jobs import (
    TrainedModel,
    chosen_training_job,
    evaluation_in,
    read_attempts,
    trained_model,
)
from tests.examples import EVALUATION
from tests.launcher.conftest import (
    BUCKET,
    REGION,
    ROLE,
    AwsServer,
    create_bucket,
    create_training_job,
)
from tests.launcher.page_server import running
from tests.launcher.scripted_server import ScriptedServer


def archive(name: str, text: str) -> bytes:
    """An ``output.tar.gz`` with one file."""
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_an_evaluation_is_read_from_wherever_it_is_in_the_archive() -> None:
    text = json.dumps(EVALUATION.to_json())
    packed = archive("data/evaluation.json", text)
    assert evaluation_in(packed, "s3://b/k") == EVALUATION


def test_an_archive_without_an_evaluation_is_named() -> None:
    packed = archive("data/report.html", "")
    with pytest.raises(LauncherError, match=r"s3://b/k has no evaluation\.json"):
        evaluation_in(packed, "s3://b/k")


@pytest.mark.parametrize(
    "value",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"test": {"rmse": 1}}),
        "[" * 200_000,
        '{"test": NaN}',
    ],
)
def test_an_evaluation_of_another_version_is_refused_with_advice(value: str) -> None:
    packed = archive("evaluation.json", value)
    with pytest.raises(LauncherError, match="train again with this version"):
        evaluation_in(packed, "s3://b/k")


@pytest.mark.parametrize("cut_to", [0, 20, 60])
def test_a_broken_archive_is_refused_with_advice(cut_to: int) -> None:
    packed = archive("evaluation.json", json.dumps(EVALUATION.to_json()))
    with pytest.raises(LauncherError, match="train again with this version"):
        evaluation_in(packed[:cut_to], "s3://b/k")


def store_model(aws: AwsServer, name: str) -> None:
    key = f"jobs/{name}/output/model.tar.gz"
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"model")


def test_a_completed_job_whose_model_is_gone_counts_as_stopped(
    connection: Aws, aws: AwsServer
) -> None:
    create_bucket(aws)
    create_training_job(aws, "halfstar-1")
    without_model = read_attempts(connection, TRAINING_JOB, "halfstar")
    assert without_model == {"halfstar-1": "Stopped"}
    store_model(aws, "halfstar-1")
    with_model = read_attempts(connection, TRAINING_JOB, "halfstar")
    assert with_model == {"halfstar-1": "Completed"}


def test_the_newest_job_of_ours_with_a_model_is_chosen(
    connection: Aws, aws: AwsServer, config: Config
) -> None:
    create_bucket(aws)
    create_training_job(aws, "halfstar-1")
    create_training_job(aws, "halfstar-without-model")
    store_model(aws, "halfstar-1")
    chosen = chosen_training_job(connection, config, None)
    assert chosen["TrainingJobName"] == "halfstar-1"


def test_a_job_without_our_tag_is_chosen_by_name_only(
    connection: Aws, aws: AwsServer, config: Config
) -> None:
    create_bucket(aws)
    create_training_job(aws, "halfstar-foreign", ours=False)
    store_model(aws, "halfstar-foreign")
    with pytest.raises(LauncherError, match="run `launcher train`"):
        chosen_training_job(connection, config, None)
    chosen = chosen_training_job(connection, config, "halfstar-foreign")
    assert chosen["TrainingJobName"] == "halfstar-foreign"


def test_a_job_that_does_not_exist_is_named(connection: Aws, config: Config) -> None:
    with pytest.raises(LauncherError, match="there is no training job nobody"):
        chosen_training_job(connection, config, "nobody")


def test_a_model_is_served_by_the_jobs_own_image(
    connection: Aws, aws: AwsServer
) -> None:
    create_training_job(aws, "halfstar-1")
    config = Config(region=REGION, role=ROLE)
    job = chosen_training_job(connection, config, "halfstar-1")
    assert trained_model(connection, config, job) == TrainedModel(
        image="i",
        model_data=f"s3://{BUCKET}/jobs/halfstar-1/output/model.tar.gz",
        role_arn=ROLE,
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: why"},
            "training job x has no model to use, it is Failed: AlgorithmError: why; ",
        ),
        ({"TrainingJobStatus": "InProgress"}, "it is InProgress; `launcher status`"),
    ],
)
def test_a_job_that_has_not_completed_is_named_with_its_state_and_reason(
    connection_of: Callable[[str], Aws],
    config: Config,
    facts: dict[str, str],
    said: str,
) -> None:
    job = {"TrainingJobName": "x", "ModelArtifacts": {}, **facts}
    server = ScriptedServer(DescribeTrainingJob=[job])
    with running(server), pytest.raises(LauncherError, match=said):
        chosen_training_job(connection_of(server.url), config, "x")
