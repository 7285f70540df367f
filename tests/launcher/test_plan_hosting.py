from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.plans.hosting import (
    Hosted,
    HostingState,
    config_name,
    plan_deletion,
    plan_deploy,
)
from launcher.plans.registry import plan_register
from launcher.requests import Action, Call, Wait
from launcher.validate import validate
from launcher.world import Account

HOSTED = Hosted(
    "image@sha256:1",
    "s3://bucket/model.tar.gz",
    "arn:aws:iam::123456789012:role/halfstar",
)


def steps(plan: list[Action]) -> list[str]:
    said = []
    for action in plan:
        if isinstance(action, Call):
            validate(action.request)
            said.append(action.request.operation)
        elif isinstance(action, Wait):
            said.append(f"wait:{','.join(action.good)}")
    return said


def deploy(config: Config, account: Account, state: HostingState) -> list[str]:
    return steps(plan_deploy(config, account, HOSTED, state))


def test_nothing_is_there(config: Config, account: Account) -> None:
    assert deploy(config, account, HostingState()) == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "wait:InService",
    ]


def test_half_is_there(config: Config, account: Account) -> None:
    assert deploy(config, account, HostingState(has_model=True)) == [
        "CreateEndpointConfig",
        "CreateEndpoint",
        "wait:InService",
    ]
    assert deploy(config, account, HostingState(True, True)) == [
        "CreateEndpoint",
        "wait:InService",
    ]


def test_all_is_there(config: Config, account: Account) -> None:
    wanted = config_name(config, account, HOSTED)
    assert deploy(config, account, HostingState(True, True, "InService", wanted)) == []


def test_another_configuration_is_in_service(config: Config, account: Account) -> None:
    plan = plan_deploy(
        config, account, HOSTED, HostingState(False, False, "InService", "last-good")
    )
    assert steps(plan) == [
        "CreateModel",
        "CreateEndpointConfig",
        "UpdateEndpoint",
        "wait:InService",
    ]
    wait = plan[-1]
    assert isinstance(wait, Wait)
    assert wait.also == ("EndpointConfigName", config_name(config, account, HOSTED))
    assert steps(list(wait.otherwise)) == [
        "DeleteEndpoint",
        "wait:absent",
        "CreateEndpoint",
        "wait:InService",
    ]
    again = wait.otherwise[2]
    assert isinstance(again, Call)
    assert again.request.parameters["EndpointConfigName"] == "last-good"


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_a_broken_endpoint_is_made_anew(
    config: Config, account: Account, status: str
) -> None:
    state = HostingState(True, True, status, "whatever")
    assert deploy(config, account, state) == [
        "DeleteEndpoint",
        "wait:absent",
        "CreateEndpoint",
        "wait:InService",
    ]


def test_an_endpoint_under_way_is_left_alone(config: Config, account: Account) -> None:
    with pytest.raises(LauncherError, match="endpoint halfstar is Updating"):
        deploy(config, account, HostingState(True, True, "Updating", "c"))


def test_an_endpoint_under_way_is_waited_for_before_it_is_deleted() -> None:
    assert steps(plan_deletion("e", "InService")) == ["DeleteEndpoint", "wait:absent"]
    settled, *rest = plan_deletion("e", "Updating")
    assert isinstance(settled, Wait)
    assert {"InService", "Failed", "absent"} <= {*settled.good}
    assert steps(rest) == ["DeleteEndpoint", "wait:absent"]


def test_a_foreign_endpoint_is_refused(config: Config, account: Account) -> None:
    with pytest.raises(
        ForeignError, match="endpoint halfstar is there, but isn't ours"
    ):
        deploy(
            config,
            account,
            HostingState(status="InService", config_name="c", ours=False),
        )


@pytest.mark.parametrize("kind", ["real-time", "serverless", "async"])
def test_every_kind_is_a_request_that_sagemaker_takes(
    config: Config, account: Account, kind: str
) -> None:
    plan = plan_deploy(
        replace(config, hosting_kind=kind), account, HOSTED, HostingState()
    )
    steps(plan)
    create = plan[1]
    assert isinstance(create, Call)
    variant = create.request.parameters["ProductionVariants"][0]
    assert ("ServerlessConfig" in variant) == (kind == "serverless")
    assert ("AsyncInferenceConfig" in create.request.parameters) == (kind == "async")


def test_another_kind_has_another_configuration(
    config: Config, account: Account
) -> None:
    named = {
        config_name(replace(config, hosting_kind=kind), account, HOSTED)
        for kind in ("real-time", "serverless", "async")
    }
    assert len(named) == 3


def test_a_package_is_registered_with_its_evaluation(
    config: Config, account: Account
) -> None:
    job = {
        "TrainingJobName": "job",
        "FinalMetricDataList": [{"MetricName": "test:rmse", "Value": 0.80123456}],
    }
    plan = plan_register(
        config, account, job, HOSTED, {"test": {}}, has_group=False, approve=False
    )
    assert steps(plan) == ["CreateModelPackageGroup", "PutObject", "CreateModelPackage"]
    package = plan[-1]
    assert isinstance(package, Call)
    assert package.request.parameters["CustomerMetadataProperties"] == {
        "test_rmse": "0.801235"
    }
    assert package.request.parameters["ModelApprovalStatus"] == "PendingManualApproval"
    uri = package.request.parameters["ModelMetrics"]["ModelQuality"]["Statistics"][
        "S3Uri"
    ]
    assert uri.endswith("/evaluations/job.json")
    assert (
        steps(
            plan_register(
                config, account, job, HOSTED, {}, has_group=True, approve=True
            )
        )[0]
        == "PutObject"
    )
