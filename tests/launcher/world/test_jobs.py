"""What completed jobs have left, from bytes and from a server of AWS's interface."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

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
from tests.launcher.conftest import ACCOUNT, REGION, AwsServer

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
TAGS = [{"Key": "halfstar", "Value": "halfstar"}]


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
    "value", ["no JSON", "[]", "{}", json.dumps({"test": {"rmse": 1}})]
)
def test_an_evaluation_of_another_version_is_refused_with_advice(value: str) -> None:
    packed = archive("evaluation.json", value)
    with pytest.raises(LauncherError, match="train again with this version"):
        evaluation_in(packed, "s3://b/k")


def create_job(aws: AwsServer, name: str, tags: list[dict[str, str]]) -> Any:
    """A training job, which is completed at once on this server."""
    sagemaker = aws.client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://outputs/jobs"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=tags,
    )
    return sagemaker.describe_training_job(TrainingJobName=name)


def store_model(aws: AwsServer, job: Any) -> None:
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3 = aws.client("s3")
    location = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    s3.put_object(Bucket=bucket, Key=key, Body=b"model")


def test_a_completed_job_whose_model_is_gone_counts_as_stopped(
    connection: Aws, aws: AwsServer
) -> None:
    job = create_job(aws, "halfstar-1", TAGS)
    assert read_attempts(connection, TRAINING_JOB, "halfstar") == {
        "halfstar-1": "Stopped"
    }
    store_model(aws, job)
    assert read_attempts(connection, TRAINING_JOB, "halfstar") == {
        "halfstar-1": "Completed"
    }


def test_the_newest_job_of_ours_with_a_model_is_chosen(
    connection: Aws, aws: AwsServer, config: Config
) -> None:
    with pytest.raises(LauncherError, match="run `launcher train`"):
        chosen_training_job(connection, config, None)

    store_model(aws, create_job(aws, "halfstar-1", TAGS))
    create_job(aws, "halfstar-without-model", TAGS)
    chosen = chosen_training_job(connection, config, None)
    assert chosen["TrainingJobName"] == "halfstar-1"


def test_a_job_without_our_tag_is_chosen_by_name_only(
    connection: Aws, aws: AwsServer, config: Config
) -> None:
    store_model(aws, create_job(aws, "halfstar-foreign", tags=[]))
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
    job = create_job(aws, "halfstar-1", TAGS)
    config = Config(region=REGION, role=ROLE)
    artifacts = job["ModelArtifacts"]["S3ModelArtifacts"]
    expected = TrainedModel("i", artifacts, ROLE)
    assert trained_model(connection, config, job) == expected
