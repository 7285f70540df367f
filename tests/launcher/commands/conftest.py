"""A completed training job, and what it has left."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from movielens.evaluation import Evaluation
from movielens.report_numbers import REPORT_NUMBERS, ReportNumbers
from tests.examples import EVALUATION
from tests.launcher.conftest import (
    BUCKET,
    ROLE,
    AwsServer,
    create_bucket,
    create_training_job,
)

# An image and a role that needn't exist, so that a test needs no `init` and no `push`.
IMAGE = ("--set", "image=i@sha256:1")
IMAGE_AND_ROLE = (*IMAGE, "--set", f"role={ROLE}")


REPORT = "<!DOCTYPE html>\n<title>Training report</title>\n"


def output_archive(
    evaluation: Evaluation = EVALUATION,
    report: str | None = REPORT,
    numbers: ReportNumbers | None = None,
) -> bytes:
    """A job's ``output.tar.gz``, with its evaluation and its report."""
    contents = {"evaluation.json": json.dumps(evaluation.to_json())}
    if report is not None:
        contents["report.html"] = report
    if numbers is not None:
        contents[REPORT_NUMBERS] = json.dumps(numbers.to_json())
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return stream.getvalue()


def store_outputs(
    aws: AwsServer, name: str, outputs: bytes | None = None, bucket: str = BUCKET
) -> None:
    """Put into the bucket what a job leaves there."""
    s3 = aws.client("s3")
    folder = f"jobs/{name}/output"
    s3.put_object(Bucket=bucket, Key=f"{folder}/model.tar.gz", Body=b"model")
    s3.put_object(
        Bucket=bucket, Key=f"{folder}/output.tar.gz", Body=outputs or output_archive()
    )


@pytest.fixture
def trained(aws: AwsServer) -> str:
    """The name of a completed training job of ours."""
    name = "halfstar-trained"
    create_bucket(aws)
    create_training_job(aws, name)
    store_outputs(aws, name)
    return name


@pytest.fixture(scope="session")
def fake_browser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A browser that writes what it is to open into the file ``$OPENED``.

    Python's webbrowser looks for browsers once a process.
    """
    browser = tmp_path_factory.mktemp("browser") / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > "$OPENED"\n')
    browser.chmod(0o755)
    return browser


@pytest.fixture
def opened(fake_browser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which the browser writes what it is to open; the working directory
    is that of the test.
    """
    shown = tmp_path / "opened"
    monkeypatch.setenv("OPENED", str(shown))
    monkeypatch.setenv("BROWSER", f"{fake_browser} %s")
    monkeypatch.chdir(tmp_path)
    return shown


def disown_what_cannot_be_deleted(aws: AwsServer, beginning: str) -> None:
    """Take our tag from jobs and packages, which this server can't delete."""
    sagemaker = aws.client("sagemaker")
    jobs = sagemaker.list_training_jobs(NameContains=beginning)
    groups = sagemaker.list_model_package_groups(NameContains=beginning)
    arns = [job["TrainingJobArn"] for job in jobs["TrainingJobSummaries"]]
    for group in groups["ModelPackageGroupSummaryList"]:
        arns.append(group["ModelPackageGroupArn"])
    for arn in arns:
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["halfstar"])
