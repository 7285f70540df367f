from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.config import Config, EndpointKind
from launcher.errors import ForeignError, LauncherError
from launcher.plans.hosting import config_name, plan_deletion, plan_deploy
from launcher.requests import Action, Call, Wait
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.endpoints import HostingState
from launcher.world.jobs import TrainedModel

KINDS: tuple[EndpointKind, ...] = ("real-time", "serverless", "async")
TRAINED = TrainedModel(
    image="image@sha256:1",
    model_data="s3://bucket/model.tar.gz",
    role_arn="arn:aws:iam::123456789012:role/halfstar",
)
IN_SERVICE = HostingState(
    has_model=True,
    has_config=True,
    status="InService",
    config_name="last-good",
    arn="arn:aws:sagemaker:eu-central-1:123456789012:endpoint/halfstar",
    tags={"halfstar": "halfstar"},
)


def steps(plan: list[Action]) -> list[str]:
    """The operations of a plan, each checked, and what is waited for."""
    found: list[str] = []
    for action in plan:
        if isinstance(action, Call):
            validate(action.request)
            found.append(action.request.operation)
        elif isinstance(action, Wait):
            found.append(f"wait:{','.join(action.good)}")
    return found


def deploy(config: Config, account: Account, state: HostingState) -> list[str]:
    return steps(plan_deploy(config, account, TRAINED, state))


def test_all_is_created_if_nothing_exists(config: Config, account: Account) -> None:
    assert deploy(config, account, HostingState()) == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "wait:InService",
    ]


def test_what_exists_is_not_created_again(config: Config, account: Account) -> None:
    only_model = HostingState(has_model=True)
    assert deploy(config, account, only_model) == [
        "CreateEndpointConfig",
        "CreateEndpoint",
        "wait:InService",
    ]
    all_but_endpoint = HostingState(has_model=True, has_config=True)
    assert deploy(config, account, all_but_endpoint) == [
        "CreateEndpoint",
        "wait:InService",
    ]


def test_nothing_is_done_if_the_model_is_served_already(
    config: Config, account: Account
) -> None:
    wanted = config_name(config, account, TRAINED)
    state = replace(IN_SERVICE, config_name=wanted)
    assert deploy(config, account, state) == []


def test_an_endpoint_in_service_is_updated(config: Config, account: Account) -> None:
    state = replace(IN_SERVICE, has_model=False, has_config=False)
    plan = plan_deploy(config, account, TRAINED, state)
    assert steps(plan) == [
        "CreateModel",
        "CreateEndpointConfig",
        "UpdateEndpoint",
        "wait:InService",
        "AddTags",
    ]
    wait, remember = plan[-2:]
    assert isinstance(wait, Wait)
    wanted = config_name(config, account, TRAINED)
    assert wait.required == ("EndpointConfigName", wanted)
    assert isinstance(remember, Call)
    tags = [{"Key": "halfstar-before", "Value": "last-good"}]
    assert remember.request.parameters == {"ResourceArn": IN_SERVICE.arn, "Tags": tags}


def test_an_update_falls_back_to_the_last_good_configuration(
    config: Config, account: Account
) -> None:
    wait = plan_deploy(config, account, TRAINED, IN_SERVICE)[-2]
    assert isinstance(wait, Wait)
    assert steps(list(wait.fallback)) == [
        "DeleteEndpoint",
        "wait:absent",
        "CreateEndpoint",
        "wait:InService",
    ]
    create = wait.fallback[2]
    assert isinstance(create, Call)
    assert create.request.parameters["EndpointConfigName"] == "last-good"


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_a_broken_endpoint_is_made_again(
    config: Config, account: Account, status: str
) -> None:
    state = HostingState(True, True, status, "whatever")
    assert deploy(config, account, state) == [
        "DeleteEndpoint",
        "wait:absent",
        "CreateEndpoint",
        "wait:InService",
    ]


def test_an_endpoint_that_is_being_changed_is_left_alone(
    config: Config, account: Account
) -> None:
    state = HostingState(True, True, "Updating", "c")
    with pytest.raises(LauncherError, match="endpoint halfstar is Updating"):
        deploy(config, account, state)


def test_an_endpoint_that_is_being_changed_is_waited_for_before_it_is_deleted() -> None:
    assert steps(plan_deletion("e", "InService")) == ["DeleteEndpoint", "wait:absent"]
    settled, *rest = plan_deletion("e", "Updating")
    assert isinstance(settled, Wait)
    assert {"InService", "Failed", "absent"} <= {*settled.good}
    assert steps(rest) == ["DeleteEndpoint", "wait:absent"]


def test_a_foreign_endpoint_is_refused(config: Config, account: Account) -> None:
    state = HostingState(status="InService", config_name="c", ours=False)
    with pytest.raises(ForeignError, match="endpoint halfstar exists, but isn't ours"):
        deploy(config, account, state)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_request_that_sagemaker_takes(
    config: Config, account: Account, kind: EndpointKind
) -> None:
    of_kind = replace(config, hosting_kind=kind)
    plan = plan_deploy(of_kind, account, TRAINED, HostingState())
    steps(plan)
    create = plan[1]
    assert isinstance(create, Call)
    parameters = create.request.parameters
    variant = parameters["ProductionVariants"][0]
    assert ("ServerlessConfig" in variant) == (kind == "serverless")
    assert ("AsyncInferenceConfig" in parameters) == (kind == "async")


def test_each_kind_has_a_configuration_of_its_own(
    config: Config, account: Account
) -> None:
    of_kinds = [replace(config, hosting_kind=kind) for kind in KINDS]
    found = {config_name(of_kind, account, TRAINED) for of_kind in of_kinds}
    assert len(found) == len(KINDS)


def test_the_container_gets_its_variables(config: Config, account: Account) -> None:
    variables = {"HALFSTAR_SIGNING_KEY": "secret" * 5}
    signed = replace(config, environment=variables)
    create_model = plan_deploy(signed, account, TRAINED, HostingState())[0]
    assert isinstance(create_model, Call)
    validate(create_model.request)
    container = create_model.request.parameters["PrimaryContainer"]
    assert container["Environment"] == variables
    assert "secret" not in str(create_model.to_json())
    assert config_name(signed, account, TRAINED) != config_name(
        config, account, TRAINED
    )
