"""``deploy`` against a server whose endpoints are in service at once.

Real endpoints are in tests/launcher/local.
"""

from __future__ import annotations

import pytest

from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import AwsServer, Launcher


def test_without_a_model_there_is_nothing_to_deploy(launcher: Launcher) -> None:
    result = launcher(*IMAGE_AND_ROLE, "deploy")
    assert result.code == 1
    said = "there is no completed training job with a model: run `launcher train`"
    assert said in result.err


def test_the_newest_model_is_deployed_once(launcher: Launcher, trained: str) -> None:
    first = launcher(*IMAGE_AND_ROLE, "deploy", "--json")
    assert first.code == 0, first.err
    assert first.json["endpoint"] == "halfstar"
    assert first.json["status"] == "InService"
    assert first.json["training_job"] == trained
    assert launcher(*IMAGE_AND_ROLE, "deploy", "--dry-run").json == {"plan": []}
    second = launcher(*IMAGE_AND_ROLE, "deploy", "--json")
    assert f"endpoint halfstar serves {trained} already" in second.err
    assert second.json == first.json


def test_another_kind_of_endpoint_is_an_update(
    launcher: Launcher, trained: str
) -> None:
    assert launcher(*IMAGE_AND_ROLE, "deploy").code == 0
    options = ("--job", trained, "--kind", "serverless", "--dry-run")
    plan = launcher(*IMAGE_AND_ROLE, "deploy", *options).json["plan"]
    operations = [step["operation"] for step in plan]
    assert operations == [
        "CreateEndpointConfig",
        "UpdateEndpoint",
        "DescribeEndpoint",
        "AddTags",
    ]


def test_a_foreign_endpoint_with_our_name_is_refused(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    assert launcher(*IMAGE_AND_ROLE, "deploy", "--job", trained).code == 0
    sagemaker = aws.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName="halfstar")["EndpointArn"]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["halfstar"])
    result = launcher(*IMAGE_AND_ROLE, "deploy")
    assert result.code == 1
    assert "endpoint halfstar exists, but isn't ours" in result.err


@pytest.mark.usefixtures("trained")
def test_a_number_of_instances_holds_until_another_is_given(launcher: Launcher) -> None:
    assert launcher(*IMAGE_AND_ROLE, "deploy", "--instance-count", "2").code == 0
    assert launcher(*IMAGE_AND_ROLE, "deploy", "--dry-run").json == {"plan": []}
    one = ("deploy", "--instance-count", "1", "--dry-run")
    plan = launcher(*IMAGE_AND_ROLE, *one).json["plan"]
    variants = plan[0]["parameters"]["ProductionVariants"]
    assert variants[0]["InitialInstanceCount"] == 1
