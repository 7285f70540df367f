"""``rollback`` against a server whose endpoints are in service at once.

The server has no UpdateEndpoint; real updates are in tests/launcher/local.
"""

from __future__ import annotations

import pytest

from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import AwsServer, Launcher


@pytest.fixture
def deployed(launcher: Launcher, trained: str, aws: AwsServer) -> dict[str, str]:
    """The configurations of an endpoint: the present one, and one from before."""
    before = launcher(*IMAGE_AND_ROLE, "deploy", "--json").json["config"]
    sagemaker = aws.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="halfstar")
    two = ("deploy", "--job", trained, "--instance-count", "2", "--json")
    now = launcher(*IMAGE_AND_ROLE, *two).json["config"]
    arn = sagemaker.describe_endpoint(EndpointName="halfstar")["EndpointArn"]
    tag = {"Key": "halfstar-before", "Value": before}
    sagemaker.add_tags(ResourceArn=arn, Tags=[tag])
    return {"before": before, "now": now}


def test_an_endpoint_goes_back_to_the_configuration_before(
    launcher: Launcher, deployed: dict[str, str]
) -> None:
    plan = launcher("rollback", "--dry-run", "--json").json["plan"]
    update, wait, remember = plan
    assert update["parameters"] == {
        "EndpointName": "halfstar",
        "EndpointConfigName": deployed["before"],
    }
    assert wait["wait_for"] == ["InService"]
    tag = {"Key": "halfstar-before", "Value": deployed["now"]}
    assert remember["parameters"]["Tags"] == [tag]


def test_a_configuration_that_it_has_is_left_alone(
    launcher: Launcher, deployed: dict[str, str]
) -> None:
    result = launcher("rollback", deployed["now"])
    assert result.code == 0
    assert f"endpoint halfstar has {deployed['now']} already" in result.err


def test_a_configuration_that_is_not_there_is_named(
    launcher: Launcher, deployed: dict[str, str], aws: AwsServer
) -> None:
    result = launcher("rollback", "nothing")
    assert result.code == 1
    assert "there is no endpoint configuration nothing of ours" in result.err

    sagemaker = aws.client("sagemaker")
    described = sagemaker.describe_endpoint_config(
        EndpointConfigName=deployed["before"]
    )
    model = described["ProductionVariants"][0]["ModelName"]
    sagemaker.delete_model(ModelName=model)
    result = launcher("rollback")
    assert result.code == 1
    assert f"serves model {model}, which is gone" in result.err


@pytest.mark.usefixtures("trained")
def test_an_endpoint_without_a_past_has_nothing_to_go_back_to(
    launcher: Launcher,
) -> None:
    assert "there is no endpoint halfstar of ours" in launcher("rollback").err
    assert launcher(*IMAGE_AND_ROLE, "deploy").code == 0
    result = launcher("rollback")
    assert result.code == 1
    assert "endpoint halfstar has had no other configuration" in result.err
