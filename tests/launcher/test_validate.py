from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from launcher.errors import InvalidRequestError
from launcher.kinds import ENDPOINT
from launcher.requests import Call, Request, Wait, WriteFile
from launcher.validate import compile_pattern, validate, validate_plan

MODEL = {
    "ModelName": "a",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
    "PrimaryContainer": {"Image": "i", "ModelDataUrl": "s3://b/k"},
}


def faults(operation: str, parameters: dict[str, Any]) -> str:
    """The message about a request that SageMaker would refuse."""
    with pytest.raises(InvalidRequestError) as caught:
        validate(Request("sagemaker", operation, parameters))
    return str(caught.value)


def test_a_request_that_the_service_takes_passes() -> None:
    validate(Request("sagemaker", "CreateModel", MODEL))


def test_every_fault_is_reported_with_its_place() -> None:
    said = faults(
        "CreateTrainingJob",
        {
            "TrainingJobName": "no_underscores",
            "AlgorithmSpecification": {
                "TrainingImage": "i",
                "TrainingInputMode": "Fast",
                "MetricDefinitions": [{"Name": "m", "Regex": "x" * 501}],
            },
            "RoleArn": "role",
            "OutputDataConfig": {"S3OutputPath": "/tmp"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": -1,
                "VolumeSizeInGB": "10",
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 0},
            "HyperParameters": {"eta": 1},
            "Colour": "red",
        },
    )
    algorithm = "AlgorithmSpecification"
    for fault in (
        "TrainingJobName is 'no_underscores', which doesn't match",
        f"{algorithm}.TrainingInputMode is 'Fast', "
        "expected one of Pipe, File, FastFile",
        f"{algorithm}.MetricDefinitions[0].Regex has 501 characters, "
        "allowed are 1 to 500",
        "RoleArn has 4 characters",
        "OutputDataConfig.S3OutputPath is '/tmp', which doesn't match",
        "ResourceConfig.InstanceCount is -1, allowed are at least 0",
        "ResourceConfig.VolumeSizeInGB is '10', expected a number",
        "StoppingCondition.MaxRuntimeInSeconds is 0, allowed are at least 1",
        "HyperParameters.eta is 1, expected text",
        "Colour is unknown",
    ):
        assert fault in said


def test_a_plan_is_checked_to_its_last_fallback(tmp_path: Path) -> None:
    write = WriteFile("w", tmp_path / "f", "")
    delete = Call("d", ENDPOINT.request("Delete", "a_b"))
    describe = ENDPOINT.request("Describe", "e")
    wait = Wait("w", describe, "m", under_way=(), good=(), fallback=(delete,))
    with pytest.raises(InvalidRequestError, match="EndpointName is 'a_b'"):
        validate_plan([write, wait])


def test_a_missing_member_is_named() -> None:
    said = faults("CreateEndpoint", {"EndpointName": "e"})
    assert "EndpointConfigName is missing" in said


def test_a_pattern_must_match_the_whole_value() -> None:
    said = faults("DescribeEndpoint", {"EndpointName": "a-"})
    assert "EndpointName is 'a-'" in said


def test_the_number_of_entries_is_limited() -> None:
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    said = faults("CreateModel", {**MODEL, "Tags": tags})
    assert "Tags has 51 entries, allowed are 0 to 50" in said


def test_a_tag_may_have_letters_of_any_script_but_not_any_sign() -> None:
    letters = [{"Key": "größe", "Value": "a b/c"}]
    validate(Request("sagemaker", "CreateModel", {**MODEL, "Tags": letters}))
    sign = [{"Key": "a?", "Value": "b"}]
    assert "Tags[0].Key" in faults("CreateModel", {**MODEL, "Tags": sign})


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("x", "expected a list"),
        (["x"], "expected an object"),
        (None, "expected a list"),
    ],
)
def test_a_value_of_another_shape_is_a_fault(tags: object, expected: str) -> None:
    assert expected in faults("CreateModel", {**MODEL, "Tags": tags})


@pytest.mark.parametrize(
    "service",
    [
        "sagemaker",
        "s3",
        "iam",
        "ecr",
        "sts",
        "logs",
        "sagemaker-runtime",
        "service-quotas",
    ],
)
def test_nearly_every_pattern_of_the_services_can_be_compiled(service: str) -> None:
    # These are malformed in the models, and none of them is on a member that we send.
    malformed = {
        "AthenaCatalog",
        "Catalog",
        "Database",
        "TableName",
        "CustomerMetadataKey",
        "CustomerMetadataValue",
    }
    model = botocore.session.get_session().get_service_model(service)
    for name in model.shape_names:
        pattern = model.shape_for(name).metadata.get("pattern")
        if pattern and compile_pattern(pattern) is None:
            assert name in malformed
