"""What is offered, and that all else is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from werkzeug.test import Client

from launcher.local.errors import RefusedError
from launcher.local.offered import check_members, check_service, operations
from launcher.local.service import application
from launcher.local.settings import StackSettings

# botocore's model of each service whose operations are listed.
MODELS = {
    service: ServiceModel(Loader().load_service_model(name, "service-2"))
    for service, name in (
        ("application-autoscaling", "application-autoscaling"),
        ("monitoring", "cloudwatch"),
        ("sagemaker", "sagemaker"),
    )
}
UNKNOWN = "UnknownOperationException"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A client of all services, without what they need to run anything."""
    from tests.launcher.local.conftest import never_started

    return Client(application(never_started(tmp_path_factory.mktemp("stack"))))


def call(
    http: Client, service: str, operation: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    scope = f"AKIALOCAL/20260101/eu-west-1/{service}/aws4_request"
    prefix = MODELS[service].metadata["targetPrefix"]
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"{prefix}.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
    }
    response = http.post("/", data=json.dumps(parameters), headers=headers)
    return dict(json.loads(response.data))


@pytest.mark.parametrize("service", MODELS)
def test_every_operation_of_a_service_is_served_or_refused_by_name(
    http: Client, service: str
) -> None:
    served = set()
    for operation in MODELS[service].operation_names:
        answer = call(http, service, operation, {})
        code = answer.get("__type")
        if code == UNKNOWN:
            assert f"{service} {operation}" in answer["message"]
        else:
            # Only what it needs is missing.
            assert code in (None, "ValidationException"), answer
            served.add(operation)
    assert served == {name for its, name in operations() if its == service}


def test_what_is_offered_is_in_the_service_model() -> None:
    for (service, operation), members in operations().items():
        shape = MODELS[service].operation_model(operation).input_shape
        for path in members:
            # A list may be filtered by what only some of them have.
            if operation.startswith("List") and path not in shape.members:
                continue
            assert has_member(shape, path.split(".")), f"{operation}: {path}"


def has_member(shape: Any, path: list[str]) -> bool:
    if shape.type_name == "list":
        return has_member(shape.member, path)
    if path[0] not in shape.members:
        return False
    return len(path) == 1 or has_member(shape.members[path[0]], path[1:])


def leaves(shape: Any, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every member that has a value of its own, with a request that has it alone."""
    if shape.name in above:
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            inner = f"{path}.{name}" if path else name
            for leaf, value in leaves(member, inner, (*above, shape.name)):
                yield leaf, {name: value}
    elif shape.type_name == "list":
        for leaf, value in leaves(shape.member, path, (*above, shape.name)):
            yield leaf, [value]
    else:
        yield path, "x"


@pytest.mark.parametrize(("service", "operation"), sorted(operations()))
def test_every_member_that_is_not_offered_is_refused_by_name(
    service: str, operation: str
) -> None:
    members = operations()[service, operation]
    shape = MODELS[service].operation_model(operation).input_shape
    for path, parameters in leaves(shape, "", ()):
        honoured = [
            values
            for known, values in members.items()
            if path == known or path.startswith(f"{known}.")
        ]
        if honoured and not honoured[0]:
            check_members(service, operation, parameters)
            continue
        with pytest.raises(RefusedError) as caught:
            check_members(service, operation, parameters)
        assert f"doesn't offer {operation} with {path}" in caught.value.message


def test_a_member_that_asks_for_nothing_is_allowed() -> None:
    check_members(
        "sagemaker",
        "CreateTrainingJob",
        {"RemoteDebugConfig": {"EnableRemoteDebug": False}},
    )


def test_all_members_that_are_not_offered_are_named_at_once() -> None:
    parameters = {
        "EndpointName": "a",
        "DeploymentConfig": {"AutoRollbackConfiguration": {"Alarms": [{"a": "b"}]}},
        "RetainDeploymentConfig": True,
    }
    with pytest.raises(RefusedError) as caught:
        check_members("sagemaker", "UpdateEndpoint", parameters)
    assert "DeploymentConfig.AutoRollbackConfiguration.Alarms" in caught.value.message
    assert "RetainDeploymentConfig" in caught.value.message


def test_a_value_that_is_not_offered_is_refused_with_those_that_are() -> None:
    parameters = {"TransformInput": {"SplitType": "RecordIO"}}
    with pytest.raises(RefusedError, match="SplitType RecordIO, only Line and None"):
        check_members("sagemaker", "CreateTransformJob", parameters)


def test_a_form_is_checked_like_json(http: Client) -> None:
    scope = "AKIALOCAL/20260101/eu-west-1/monitoring/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}
    form = {"Action": "DescribeAlarms", "ChildrenOfAlarmName": "a"}
    refused = http.post("/", data=form, headers=headers)
    assert "offer DescribeAlarms with ChildrenOfAlarmName" in refused.text
    answered = http.post("/", data={"Action": "DescribeAlarms"}, headers=headers)
    assert "<DescribeAlarmsResult>" in answered.text


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sqs", "SendMessage"),
        ("ec2", "RunInstances"),
        ("ecr", "BatchGetImage"),
        ("monitoring", "PutMetricData"),
        ("application-autoscaling", "PutScheduledAction"),
        ("servicequotas", "RequestServiceQuotaIncrease"),
        ("sagemaker", "CreatePipeline"),
    ],
)
def test_operations_that_nobody_offers(service: str, operation: str) -> None:
    with pytest.raises(RefusedError, match=f"doesn't offer {service} {operation}"):
        check_service(service, operation)


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("s3", ""),
        ("application-autoscaling", "PutScalingPolicy"),
        ("ec2", "DescribeSubnets"),
        ("ecr", "PutLifecyclePolicy"),
        ("ecr", "DescribeRepositories"),
        ("ecr", "TagResource"),
        ("monitoring", "PutMetricAlarm"),
        ("servicequotas", "ListServiceQuotas"),
        ("sagemaker", "CreateEndpoint"),
    ],
)
def test_operations_that_are_offered(service: str, operation: str) -> None:
    check_service(service, operation)


def test_what_moto_does_not_have_is_refused_in_the_words_of_each_protocol(
    settings: StackSettings,
) -> None:
    record = {"FeatureGroupName": "a", "RecordIdentifierValueAsString": "1"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        (
            "application-autoscaling",
            "describe_scaling_activities",
            {"ServiceNamespace": "ecs"},
        ),
        ("cloudwatch", "describe_anomaly_detectors", {}),
        ("cloudwatch", "put_metric_data", {"Namespace": "a", "MetricData": []}),
        ("ec2", "run_instances", {"MinCount": 1, "MaxCount": 1}),
        ("sqs", "list_queues", {}),
        ("sagemaker-featurestore-runtime", "get_record", record),
    ]
    session = boto3.Session(settings.access_key, settings.secret_key)
    for service, operation, parameters in calls:
        client = session.client(
            service, settings.region, endpoint_url=settings.endpoint_url
        )
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**parameters)
        assert caught.value.response["Error"]["Code"] == UNKNOWN
