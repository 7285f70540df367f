from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from launcher.errors import InvalidRequestError
from launcher.requests import Call, Request, Wait, WriteFile
from launcher.validate import _compiled, validate, validate_plan

MODEL = {
    "ModelName": "a",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
    "PrimaryContainer": {"Image": "i", "ModelDataUrl": "s3://b/k"},
}


def fault(
    operation: str, parameters: dict[str, Any], service: str = "sagemaker"
) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        validate(Request(service, operation, parameters))
    return str(caught.value)


def test_a_request_that_the_service_takes_passes() -> None:
    validate(Request("sagemaker", "CreateModel", MODEL))


def test_every_fault_is_told_with_its_place() -> None:
    parameters = {
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
    }
    said = fault("CreateTrainingJob", parameters)
    assert "TrainingJobName is 'no_underscores', which doesn't match" in said
    assert (
        "AlgorithmSpecification.TrainingInputMode is 'Fast', expected one of Pipe, File, FastFile"
        in said
    )
    assert (
        "AlgorithmSpecification.MetricDefinitions[0].Regex has 501 characters, allowed are 1 to 500"
        in said
    )
    assert "RoleArn has 4 characters" in said
    assert "OutputDataConfig.S3OutputPath is '/tmp', which doesn't match" in said
    assert "ResourceConfig.InstanceCount is -1, allowed are at least 0" in said
    assert "ResourceConfig.VolumeSizeInGB is '10', expected a number" in said
    assert "StoppingCondition.MaxRuntimeInSeconds is 0, allowed are at least 1" in said
    assert "HyperParameters.eta is 1, expected text" in said
    assert "Colour is unknown" in said


def test_a_plan_is_refused_as_a_whole(tmp_path: Path) -> None:
    absent = Request("sagemaker", "DescribeEndpoint", {"EndpointName": "e"})
    delete = Call("d", Request("sagemaker", "DeleteEndpoint", {"EndpointName": "a_b"}))
    with pytest.raises(InvalidRequestError, match="EndpointName is 'a_b'"):
        validate_plan(
            [
                WriteFile("w", tmp_path / "f", ""),
                Wait("w", absent, "m", (), (), otherwise=(delete,)),
            ]
        )


def test_what_is_missing_is_named() -> None:
    assert "EndpointConfigName is missing" in fault(
        "CreateEndpoint", {"EndpointName": "e"}
    )


def test_a_pattern_must_match_the_whole_value() -> None:
    assert "EndpointName is 'a-'" in fault("DescribeEndpoint", {"EndpointName": "a-"})


def test_the_number_of_entries_is_limited() -> None:
    tags = [{"Key": f"k{i}", "Value": "v"} for i in range(51)]
    assert "Tags has 51 entries, allowed are 0 to 50" in fault(
        "CreateModel", {**MODEL, "Tags": tags}
    )


def test_a_tag_may_have_letters_of_any_script() -> None:
    validate(
        Request(
            "sagemaker",
            "CreateModel",
            {**MODEL, "Tags": [{"Key": "größe", "Value": "a b/c"}]},
        )
    )
    assert "Tags[0].Key" in fault(
        "CreateModel", {**MODEL, "Tags": [{"Key": "a?", "Value": "b"}]}
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "expected a list"),
        (["x"], "expected an object"),
        (None, "expected a list"),
    ],
)
def test_a_value_of_another_shape_is_a_fault(value: object, expected: str) -> None:
    assert expected in fault("CreateModel", {**MODEL, "Tags": value})


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
def test_nearly_every_pattern_of_the_services_has_a_meaning_here(service: str) -> None:
    """The few that haven't are malformed in the model itself, and none of them is on a
    member that we send.
    """
    model = botocore.session.get_session().get_service_model(service)
    patterns = {
        name: model.shape_for(name).metadata.get("pattern")
        for name in model.shape_names
    }
    unread = {
        name
        for name, pattern in patterns.items()
        if pattern and _compiled(pattern) is None
    }
    assert unread <= {
        "AthenaCatalog",
        "Catalog",
        "Database",
        "TableName",
        "CustomerMetadataKey",
        "CustomerMetadataValue",
    }
