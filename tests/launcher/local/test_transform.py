"""Batch transform: how objects are cut, and whole jobs over the API in the pushed
image.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from launcher.local.cutting import Cutting
from launcher.local.errors import JobError
from tests.launcher.local.account import Account

ROWS = b"1,318\n2,318\n1,1\n"


@given(
    st.lists(
        st.binary(max_size=8).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))
    ),
    st.booleans(),
    st.integers(9, 40),
)
def test_cutting_loses_nothing_and_keeps_the_limit(
    lines: list[bytes], several: bool, most: int
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    requests = list(Cutting(True, several, most).requests(data))
    assert b"".join(requests) == data
    assert all(len(request) <= most and request.endswith(b"\n") for request in requests)
    if not several:
        assert len(requests) == len(lines)


def test_a_line_or_an_object_that_is_too_long() -> None:
    for cutting in (Cutting(True, True, 5), Cutting(False, True, 5)):
        with pytest.raises(JobError, match="larger than MaxPayloadInMB"):
            list(cutting.requests(b"123456"))
    assert list(Cutting(False, True, 0).requests(b"123456\n7")) == [b"123456\n7"]


@pytest.fixture(scope="module")
def model(account: Account) -> str:
    job = account.train(
        account.job(
            "for-transform", {"num_round": "5", "features": "none", "hidden_share": "0"}
        )
    )
    container = {
        "Image": account.image,
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    account.client("sagemaker").create_model(
        ModelName="transform", PrimaryContainer=container, ExecutionRoleArn=account.role
    )
    return "transform"


def request(model: str, name: str, source: str, **members: Any) -> dict[str, Any]:
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://ratings/transform/{name}",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }


def finished(account: Account, asked: dict[str, Any]) -> dict[str, Any]:
    sagemaker = account.client("sagemaker")
    sagemaker.create_transform_job(**asked)
    name = asked["TransformJobName"]
    while True:
        job = sagemaker.describe_transform_job(TransformJobName=name)
        if job["TransformJobStatus"] not in ("InProgress", "Stopping"):
            return dict(job)
        time.sleep(0.1)


def test_every_object_is_answered_line_for_line(account: Account, model: str) -> None:
    account.put("in/a.csv", ROWS)
    account.put("in/deep/b.csv", ROWS[:6])
    job = finished(account, request(model, "lines", "s3://ratings/in"))
    assert job["TransformJobStatus"] == "Completed", job
    assert sorted(account.keys("transform/lines/")) == ["a.csv.out", "deep/b.csv.out"]
    answers = account.read("transform/lines/a.csv.out").decode()
    assert answers.endswith("\n")
    assert [0.5 <= float(stars) <= 5 for stars in answers.splitlines()] == [True] * 3
    assert account.containers() == []
    assert account.log("/aws/sagemaker/TransformJobs", "lines/")


def test_single_records_and_whole_objects_give_the_same(
    account: Account, model: str
) -> None:
    source = account.put("one/a.csv", ROWS)
    expected = None
    for name, members in (
        ("multi", {"BatchStrategy": "MultiRecord"}),
        ("single", {"BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 2}),
        ("whole", {"MaxPayloadInMB": 0}),
    ):
        asked = request(model, f"same-{name}", source, **members)
        if name == "whole":
            asked["TransformInput"]["SplitType"] = "None"
        assert finished(account, asked)["TransformJobStatus"] == "Completed"
        answers = account.read(f"transform/same-{name}/a.csv.out")
        expected = expected or answers
        assert answers == expected


def test_a_row_that_is_refused_keeps_its_place_and_fails_no_other(
    account: Account, model: str
) -> None:
    source = account.put("bad/a.csv", b"1,318\n1,x\n1,296\n")
    job = finished(account, request(model, "bad-row", source))
    assert job["TransformJobStatus"] == "Completed"
    (output,) = account.keys("transform/bad-row/")
    good, bad, other = account.read(f"transform/bad-row/{output}").decode().splitlines()
    assert float(good) >= 0.5
    assert "movieId is 'x'" in bad
    assert float(other) >= 0.5
    assert account.containers() == []


def test_what_is_refused(account: Account, model: str) -> None:
    sagemaker = account.client("sagemaker")
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.create_transform_job(
            **request("nobody", "refused", "s3://ratings/in")
        )
    with pytest.raises(ClientError, match="doesn't match"):
        sagemaker.create_transform_job(
            **request(model, "under_score", "s3://ratings/in")
        )
    with pytest.raises(ClientError, match="BatchStrategy"):
        sagemaker.create_transform_job(
            **request(model, "refused", "s3://ratings/in", BatchStrategy="All")
        )
    with pytest.raises(
        ClientError, match=r"ResourceNotFound.*Could not find requested job"
    ):
        sagemaker.describe_transform_job(TransformJobName="refused")
    packed = request(model, "no-gzip", account.put("plain/a.csv", ROWS))
    packed["TransformInput"]["CompressionType"] = "Gzip"
    assert "plain/a.csv isn't whole gzip" in finished(account, packed)["FailureReason"]
    assert (
        "No S3 objects found"
        in finished(account, request(model, "no-data", "s3://ratings/none"))[
            "FailureReason"
        ]
    )
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_transform_job(**request(model, "no-data", "s3://ratings/in"))
