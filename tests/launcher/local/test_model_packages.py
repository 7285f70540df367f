"""Model packages: versions of a group, approved before they are deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.launcher.local.stack_user import StackUser


@pytest.fixture
def group(user: StackUser) -> Iterator[str]:
    sagemaker = user.client("sagemaker")
    sagemaker.create_model_package_group(
        ModelPackageGroupName="stars", Tags=[{"Key": "team", "Value": "a"}]
    )
    yield "stars"
    found = sagemaker.list_model_packages(ModelPackageGroupName="stars")
    for package in found["ModelPackageSummaryList"]:
        sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    sagemaker.delete_model_package_group(ModelPackageGroupName="stars")


def register(user: StackUser, **members: Any) -> str:
    data = user.put("packages/model.tar.gz", b"an archive")
    container = {
        "Image": user.image,
        "ModelDataUrl": data,
        "Environment": {"A": "packaged", "B": "packaged"},
    }
    made = user.client("sagemaker").create_model_package(
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        **members,
    )
    return str(made["ModelPackageArn"])


def test_versions_of_a_group_are_counted_and_listed(
    user: StackUser, group: str
) -> None:
    sagemaker = user.client("sagemaker")
    first = register(user, ModelPackageGroupName=group)
    second = register(user, ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert first.endswith("model-package/stars/1")
    assert second.endswith("model-package/stars/2")

    def versions(**members: Any) -> list[int]:
        found = sagemaker.list_model_packages(ModelPackageGroupName=group, **members)
        summaries = found["ModelPackageSummaryList"]
        return [summary["ModelPackageVersion"] for summary in summaries]

    assert versions() == [2, 1]
    assert versions(ModelApprovalStatus="Approved") == [2]
    sagemaker.delete_model_package(ModelPackageName=second)
    # A number is never given twice.
    third = register(user, ModelPackageGroupName=group)
    assert third.endswith("/3")
    tags = sagemaker.list_tags(
        ResourceArn=sagemaker.describe_model_package_group(ModelPackageGroupName=group)[
            "ModelPackageGroupArn"
        ]
    )
    assert tags["Tags"] == [{"Key": "team", "Value": "a"}]


def test_an_approved_package_is_what_a_model_is_made_of(
    user: StackUser, group: str
) -> None:
    sagemaker = user.client("sagemaker")
    arn = register(user, ModelPackageGroupName=group)
    container = {"ModelPackageName": arn, "Environment": {"A": "own"}}
    model = {
        "ModelName": "packaged",
        "PrimaryContainer": container,
        "ExecutionRoleArn": user.role,
    }
    with pytest.raises(ClientError, match="PendingManualApproval"):
        sagemaker.create_model(**model)
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="good"
    )
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert described["ModelApprovalStatus"] == "Approved"
    assert described["ApprovalDescription"] == "good"
    sagemaker.create_model(**model)
    found = sagemaker.describe_model(ModelName="packaged")
    assert found["PrimaryContainer"] == container
    sagemaker.delete_model(ModelName="packaged")


def test_what_is_not_there_is_named(user: StackUser, group: str) -> None:
    sagemaker = user.client("sagemaker")
    with pytest.raises(ClientError, match="already exists"):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package(ModelPackageName="stars/9")
    with pytest.raises(ClientError, match="does not exist"):
        register(user, ModelPackageGroupName="nowhere")
    register(user, ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="it still has model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
