"""``register`` against a server of AWS's interface."""

from __future__ import annotations

import json

import pytest

from movielens.evaluation import Evaluation
from tests.examples import EVALUATION
from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import BUCKET, AwsServer, Launcher


def test_a_model_is_registered_once_with_its_evaluation(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    first = launcher(*IMAGE_AND_ROLE, "register", "--json")
    assert first.code == 0, first.err
    second = launcher(*IMAGE_AND_ROLE, "register", "--job", trained, "--json")
    assert f"{trained} is registered already" in second.err
    assert second.json == first.json

    key = f"evaluations/{trained}.json"
    stored = aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert Evaluation.from_json(json.loads(stored)) == EVALUATION


def test_a_foreign_package_group_with_our_name_is_refused(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName="halfstar")
    result = launcher(*IMAGE_AND_ROLE, "register", "--job", trained)
    assert result.code == 1
    assert "model package group halfstar exists, but isn't ours" in result.err


def test_a_registered_model_is_approved_afterwards(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    arn = launcher(*IMAGE_AND_ROLE, "register", "--json").json["model_package"]
    again = launcher(*IMAGE_AND_ROLE, "register", "--approve", "--json")
    assert again.json == {"model_package": arn}
    described = aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert described["ModelApprovalStatus"] == "Approved"
    third = launcher(*IMAGE_AND_ROLE, "register", "--approve")
    assert f"{trained} is registered already, and Approved" in third.err


@pytest.mark.usefixtures("trained")
def test_a_package_has_the_variables_of_the_containers(
    launcher: Launcher, aws: AwsServer
) -> None:
    key = ("--set", "environment.HALFSTAR_SIGNING_KEY=00ff")
    arn = launcher(*IMAGE_AND_ROLE, *key, "register", "--json").json["model_package"]
    described = aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    container = described["InferenceSpecification"]["Containers"][0]
    assert container["Environment"] == {"HALFSTAR_SIGNING_KEY": "00ff"}


@pytest.mark.usefixtures("trained")
def test_tags_that_are_added_later_reach_endpoint_alarms_and_group(
    launcher: Launcher, aws: AwsServer
) -> None:
    commands = [("deploy", "--set", "alarms.errors=5"), ("register",)]
    for command in commands:
        assert launcher(*IMAGE_AND_ROLE, *command).code == 0
    later = (*IMAGE_AND_ROLE, "--set", "tags.team=a")
    for command in commands:
        result = launcher(*later, *command)
        assert result.code == 0, result.err

    sagemaker = aws.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName="halfstar")
    group = sagemaker.describe_model_package_group(ModelPackageGroupName="halfstar")
    for arn in (endpoint["EndpointArn"], group["ModelPackageGroupArn"]):
        tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
        assert {"Key": "team", "Value": "a"} in tags
    cloudwatch = aws.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    assert {"Key": "team", "Value": "a"} in tags
    for command in commands:
        assert launcher(*later, *command, "--dry-run").json == {"plan": []}
