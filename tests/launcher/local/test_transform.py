"""Batch transform jobs over the API, run by the pushed image."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from launcher.local.errors import FailureReasonError
from launcher.local.transform import PayloadSplitter
from tests.launcher.local.stack_user import POLL_SECONDS, QUICK, StackUser

ROWS = b"1,318\n2,318\n1,1\n"


@pytest.fixture(scope="module")
def model(user: StackUser) -> str:
    """The name of a model."""
    job = user.train(user.job("for-transform", QUICK))
    container = {
        "Image": user.image,
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    user.client("sagemaker").create_model(
        ModelName="transform", PrimaryContainer=container, ExecutionRoleArn=user.role
    )
    return "transform"


def request(
    user: StackUser, model: str, name: str, prefix: str, **members: Any
) -> dict[str, Any]:
    """A request for a job, which may be changed before it is sent."""
    source = {"S3DataType": "S3Prefix", "S3Uri": user.uri(prefix)}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": user.uri(f"transform/{name}"),
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }


def run(user: StackUser, transform: dict[str, Any]) -> dict[str, Any]:
    """Run a job to its end; gives its description."""
    sagemaker = user.client("sagemaker")
    sagemaker.create_transform_job(**transform)
    name = transform["TransformJobName"]
    while True:
        job = sagemaker.describe_transform_job(TransformJobName=name)
        if job["TransformJobStatus"] not in ("InProgress", "Stopping"):
            return dict(job)
        time.sleep(POLL_SECONDS)


def test_every_object_is_answered_line_for_line(user: StackUser, model: str) -> None:
    user.put("in/a.csv", ROWS)
    user.put("in/deep/b.csv", b"1,318\n")
    job = run(user, request(user, model, "lines", "in"))
    assert job["TransformJobStatus"] == "Completed", job
    assert sorted(user.keys("transform/lines/")) == ["a.csv.out", "deep/b.csv.out"]
    answers = user.read("transform/lines/a.csv.out").decode()
    assert answers.endswith("\n")
    assert [0.5 <= float(stars) <= 5 for stars in answers.splitlines()] == [True] * 3
    assert user.containers() == []
    assert user.log("/aws/sagemaker/TransformJobs", "lines/")


def test_single_records_and_whole_objects_are_answered_the_same(
    user: StackUser, model: str
) -> None:
    user.put("one/a.csv", ROWS)
    many = request(user, model, "same-many", "one", BatchStrategy="MultiRecord")
    single = request(
        user,
        model,
        "same-single",
        "one",
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=2,
    )
    whole = request(user, model, "same-whole", "one", MaxPayloadInMB=0)
    whole["TransformInput"]["SplitType"] = "None"

    answers = set()
    for transform in (many, single, whole):
        assert run(user, transform)["TransformJobStatus"] == "Completed"
        name = transform["TransformJobName"]
        answers.add(user.read(f"transform/{name}/a.csv.out"))
    assert len(answers) == 1


def test_a_bad_row_is_answered_in_its_place_and_fails_no_other(
    user: StackUser, model: str
) -> None:
    user.put("bad/a.csv", b"1,318\n1,x\n1,296\n")
    job = run(user, request(user, model, "bad-row", "bad/a.csv"))
    assert job["TransformJobStatus"] == "Completed"
    (output,) = user.keys("transform/bad-row/")
    answers = user.read(f"transform/bad-row/{output}").decode()
    good, bad, other = answers.splitlines()
    assert float(good) >= 0.5
    assert "movieId is 'x'" in bad
    assert float(other) >= 0.5
    assert user.containers() == []


def test_what_sagemaker_refuses_is_refused(user: StackUser, model: str) -> None:
    sagemaker = user.client("sagemaker")

    def refused(match: str, transform: dict[str, Any]) -> None:
        with pytest.raises(ClientError, match=match):
            sagemaker.create_transform_job(**transform)

    refused("Could not find model", request(user, "nobody", "refused", "in"))
    refused("doesn't match", request(user, model, "under_score", "in"))
    refused("BatchStrategy", request(user, model, "refused", "in", BatchStrategy="All"))
    with pytest.raises(
        ClientError, match=r"ResourceNotFound.*Could not find requested job"
    ):
        sagemaker.describe_transform_job(TransformJobName="refused")


def test_input_that_is_absent_or_not_gzip_fails_the_job(
    user: StackUser, model: str
) -> None:
    user.put("plain/a.csv", ROWS)
    packed = request(user, model, "no-gzip", "plain/a.csv")
    packed["TransformInput"]["CompressionType"] = "Gzip"
    assert "plain/a.csv isn't whole gzip" in run(user, packed)["FailureReason"]

    absent = request(user, model, "no-data", "none")
    assert "No S3 objects found" in run(user, absent)["FailureReason"]
    with pytest.raises(ClientError, match="ResourceInUse"):
        user.client("sagemaker").create_transform_job(**absent)


LINES = st.lists(st.from_regex(rb"[^\r\n]{0,8}\n", fullmatch=True))


@given(LINES, st.booleans(), st.integers(9, 40))
def test_splitting_loses_nothing_and_keeps_the_limit(
    lines: list[bytes], many_lines: bool, max_bytes: int
) -> None:
    data = b"".join(lines)
    splitter = PayloadSplitter(True, many_lines, max_bytes)
    bodies = list(splitter.split(data))
    assert b"".join(bodies) == data
    assert all(len(body) <= max_bytes for body in bodies)
    assert all(body.endswith(b"\n") for body in bodies)
    if not many_lines:
        assert bodies == lines


@pytest.mark.parametrize("by_line", [True, False])
def test_what_is_longer_than_the_limit_fails(by_line: bool) -> None:
    splitter = PayloadSplitter(by_line, many_lines=True, max_bytes=5)
    with pytest.raises(FailureReasonError, match="larger than MaxPayloadInMB"):
        list(splitter.split(b"123456"))


def test_without_a_limit_an_object_stays_whole() -> None:
    splitter = PayloadSplitter(by_line=False, many_lines=True, max_bytes=0)
    assert list(splitter.split(b"123456\n7")) == [b"123456\n7"]


def test_an_empty_object_is_one_empty_request_unless_it_is_split() -> None:
    whole = PayloadSplitter(by_line=False, many_lines=True, max_bytes=5)
    assert list(whole.split(b"")) == [b""]
    by_line = PayloadSplitter(by_line=True, many_lines=True, max_bytes=5)
    assert list(by_line.split(b"")) == []


def test_a_cr_alone_ends_no_line() -> None:
    splitter = PayloadSplitter(by_line=True, many_lines=False, max_bytes=0)
    assert list(splitter.split(b"1,2\r3,4\r\n5,6")) == [b"1,2\r3,4\r\n", b"5,6"]
