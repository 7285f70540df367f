"""How the services answer over HTTP; the flow tests show the operations themselves."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request, Response

from launcher.local.access import check_access
from launcher.local.errors import RefusedError
from launcher.local.gateway import Gateway, Region
from launcher.local.operation import Parameters, Result
from launcher.local.settings import HEALTH, StackSettings

SAGEMAKER_KEY = (
    "AWS4-HMAC-SHA256 Credential={}/20260101/eu-west-1/sagemaker/aws4_request"
)

SIGNED = {"Authorization": SAGEMAKER_KEY.format("AKIALOCAL")}


def describe_model(parameters: Parameters) -> Result:
    name = parameters["ModelName"]
    if name == "absent":
        raise RefusedError("ResourceNotFound", "no model", members={"Name": name})
    if name == "bug":
        raise KeyError(name)
    return {"ModelName": name}


def leave_to_moto(_parameters: Parameters) -> None:
    return None


def moto(request: Request) -> Response:
    """Answers with the body that it got."""
    return Response(b"moto got " + request.get_data())


def interrupt(_request: Request, job: str) -> Response:
    return Response(f"interrupts {job}")


@pytest.fixture
def http(stack_settings: StackSettings) -> Client:
    """A client of a gateway with few operations."""
    region = Region(
        {
            "sagemaker": {
                "DescribeModel": describe_model,
                "ListModels": leave_to_moto,
            }
        },
        {"POST /_local/interrupt/(.+)": interrupt},
    )
    gateway = Gateway(
        stack_settings,
        Request.application(moto),
        lambda name: region if name == "eu-west-1" else Region(),
        partial(check_access, stack_settings),
    )
    return Client(gateway)


def call(
    http: Client, operation: str, key: str = "AKIALOCAL", **parameters: Any
) -> TestResponse:
    """Call an operation of SageMaker."""
    headers = {
        "X-Amz-Target": f"SageMaker.{operation}",
        "Authorization": SAGEMAKER_KEY.format(key),
    }
    return http.post("/", data=json.dumps(parameters), headers=headers)


def document(response: TestResponse) -> dict[str, Any]:
    return dict(json.loads(response.data))


def test_an_operation_of_ours_answers(http: Client) -> None:
    response = call(http, "DescribeModel", ModelName="a")
    assert response.status_code == 200
    assert document(response) == {"ModelName": "a"}


def test_a_refusal_has_its_code_in_the_header_and_the_body(http: Client) -> None:
    response = call(http, "DescribeModel", ModelName="absent")
    assert response.status_code == 400
    assert response.headers["x-amzn-errortype"] == "ResourceNotFound"
    assert document(response) == {
        "__type": "ResourceNotFound",
        "message": "no model",
        "Message": "no model",
        "Name": "absent",
    }


def test_a_bug_is_an_internal_failure(http: Client) -> None:
    response = call(http, "DescribeModel", ModelName="bug")
    assert response.status_code == 500
    assert document(response)["message"] == "KeyError: 'bug'"


def test_parameters_are_checked_before_the_operation(http: Client) -> None:
    response = call(http, "DescribeModel", ModelName="under_score")
    assert document(response)["__type"] == "ValidationException"
    assert "validation error detected" in document(response)["message"]


def test_a_body_that_is_not_json_is_refused(http: Client) -> None:
    headers = {**SIGNED, "X-Amz-Target": "SageMaker.DescribeModel"}
    response = http.post("/", data="{", headers=headers)
    assert document(response)["__type"] == "SerializationException"


def test_moto_gets_what_is_left_to_it_with_its_body(http: Client) -> None:
    assert call(http, "ListModels", MaxResults=3).text == 'moto got {"MaxResults": 3}'
    assert http.put("/bucket/key", data=b"an object").text == "moto got an object"


def test_moto_names_our_registry(http: Client, stack_settings: StackSettings) -> None:
    host = stack_settings.ecr_host("eu-west-1")
    headers = {
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.ListImages",
        "Authorization": "Credential=AKIALOCAL/20260101/eu-west-1/ecr/aws4_request",
    }
    body = json.dumps({"repositoryName": "halfstar", "nextToken": host})
    response = http.post("/", data=body, headers=headers)
    assert host not in response.text
    assert stack_settings.registry in response.text


def test_a_route_gets_the_part_of_its_path(http: Client) -> None:
    path = "/_local/interrupt/job-1"
    assert http.post(path, headers=SIGNED).text == "interrupts job-1"
    assert http.get(path, headers=SIGNED).status_code == 400
    assert http.post(path).status_code == 400


def test_health_is_the_identity_of_the_stack_for_everyone(
    http: Client, stack_settings: StackSettings
) -> None:
    assert http.get(HEALTH).text == stack_settings.identity


def test_another_region_has_nothing_of_this_one(http: Client) -> None:
    headers = {
        "X-Amz-Target": "SageMaker.DescribeModel",
        "Authorization": SIGNED["Authorization"].replace("eu-west-1", "us-east-1"),
    }
    response = http.post("/", data=b'{"ModelName": "a"}', headers=headers)
    assert response.text.startswith("moto got")


def test_what_nobody_offers_is_refused_by_name(http: Client) -> None:
    response = call(http, "CreateProcessingJob")
    assert document(response)["__type"] == "UnknownOperationException"
    assert "sagemaker CreateProcessingJob" in document(response)["message"]
    path = "/endpoints/a/elsewhere"
    assert f"sagemaker POST {path}" in http.post(path, headers=SIGNED).text


def test_a_service_that_nobody_offers_is_refused_by_name(http: Client) -> None:
    headers = {"Authorization": SIGNED["Authorization"].replace("sagemaker", "sqs")}
    assert "doesn&#x27;t offer sqs" in http.post("/", headers=headers).text


def test_a_call_without_a_signature_is_refused(http: Client) -> None:
    headers = {"X-Amz-Target": "SageMaker.DescribeModel"}
    response = http.post("/", data="{}", headers=headers)
    assert document(response)["__type"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("scope", "headers", "status", "code"),
    [
        ("s3", {}, 403, "InvalidAccessKeyId"),
        ("iam", {}, 403, "InvalidClientTokenId"),
        ("sagemaker", {}, 400, "UnrecognizedClientException"),
        ("ecr", {"X-Amz-Target": "ECR.List"}, 400, "UnrecognizedClientException"),
        ("ec2", {}, 403, "InvalidClientTokenId"),
    ],
)
def test_another_key_is_refused_in_the_words_of_the_service(
    http: Client, scope: str, headers: dict[str, str], status: int, code: str
) -> None:
    credential = f"Credential=AKIAOTHER/20260101/eu-west-1/{scope}/aws4_request"
    authorization = {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}
    response = http.post("/", headers={**headers, **authorization})
    assert response.status_code == status
    assert code in response.text


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b"[3]", b'"a"', b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff"],
)
def test_an_odd_body_is_refused_as_one_that_is_not_json(
    http: Client, body: bytes
) -> None:
    headers = {
        "X-Amz-Target": "SageMaker.DescribeModel",
        "Authorization": SAGEMAKER_KEY.format("AKIALOCAL"),
    }
    response = http.post("/", data=body, headers=headers)
    assert response.status_code == 400
    assert document(response)["__type"] == "SerializationException"
