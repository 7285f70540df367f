"""The table of kinds, held against SageMaker's own model of its API."""

from __future__ import annotations

import botocore.session
import pytest

from launcher.kinds import ENDPOINT, JOBS, SAGEMAKER_KINDS, SERVING, Kind, means_absent
from launcher.requests import Request
from launcher.validate import validate

MODEL = botocore.session.get_session().get_service_model("sagemaker")
NAME = "stars-1"
ARN = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/stars/1"


@pytest.mark.parametrize("label", SAGEMAKER_KINDS)
def test_a_kinds_operations_and_members_are_sagemakers(label: Kind) -> None:
    kind = SAGEMAKER_KINDS[label]
    name = ARN if label == "model package" else NAME
    validate(kind.request("Describe", name))

    listing = MODEL.operation_model(kind.list_operation).output_shape
    entry = listing.members[kind.list_member].member
    assert {kind.name_member, kind.arn_member} <= entry.members.keys()
    if kind.under_way:
        assert kind.state_member in entry.members


@pytest.mark.parametrize("label", JOBS)
def test_every_job_can_be_stopped(label: Kind) -> None:
    validate(JOBS[label].request("Stop", NAME))


@pytest.mark.parametrize("label", sorted(SAGEMAKER_KINDS.keys() - {"transform job"}))
def test_every_kind_but_a_transform_job_can_be_deleted(label: Kind) -> None:
    name = ARN if label == "model package" else NAME
    validate(SAGEMAKER_KINDS[label].request("Delete", name))


@pytest.mark.parametrize("label", [*JOBS, "endpoint"])
def test_the_states_are_all_that_sagemaker_knows(label: Kind) -> None:
    kind = SAGEMAKER_KINDS[label]
    answer = MODEL.operation_model(f"Describe{kind.stem}").output_shape
    known = set(answer.members[kind.state_member].enum)
    # Jobs and endpoints of other features of SageMaker have the others.
    others = {"Deleting", "DeleteFailed"} if label in JOBS else set()
    assert {*kind.under_way, *kind.settled} == known - others


def test_an_endpoint_serves_in_service_and_during_updates() -> None:
    assert {*SERVING} <= {*ENDPOINT.under_way, *ENDPOINT.settled}


@pytest.mark.parametrize(
    ("code", "message", "absent"),
    [
        ("NoSuchBucket", "", True),
        ("404", "Not Found", True),
        ("ValidationException", 'Could not find model "m".', True),
        ("ValidationException", "Requested resource not found.", True),
        ("ValidationException", "1 validation error detected", False),
        ("AccessDenied", "not found", False),
    ],
)
def test_an_absent_resource_is_told_from_other_errors(
    code: str, message: str, absent: bool
) -> None:
    assert means_absent(code, message) is absent


def test_a_request_names_the_resource() -> None:
    expected = Request("sagemaker", "StopTransformJob", {"TransformJobName": NAME})
    assert JOBS["transform job"].request("Stop", NAME) == expected
