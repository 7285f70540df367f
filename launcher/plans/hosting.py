"""Endpoints: a model, a configuration and an endpoint, updated without downtime and
rolled back when that fails.

Models and configurations never change; their names carry a hash of what they are.
SageMaker keeps the old instances until the new ones answer. Where an update leaves the
endpoint broken all the same, SageMaker allows nothing but its deletion, so it is made
again with the configuration that worked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launcher import names
from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.requests import Action, Call, Request, Wait
from launcher.world import Account

PASSING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
GOOD = "InService"
# While it is changed, the old instances answer.
SERVING = (GOOD, "Updating", "SystemUpdating", "RollingBack")
ABSENT = "absent"
_ALREADY = ("ResourceInUse",)


@dataclass(frozen=True, slots=True)
class HostingState:
    """What there is: our model, our configuration, and the endpoint with its status and
    configuration.

    ``status`` is empty where there is no endpoint.
    """

    has_model: bool = False
    has_config: bool = False
    status: str = ""
    config_name: str = ""
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Hosted:
    """What to deploy: image URI with a digest, the job's model archive, and whose
    permissions serve it.
    """

    image: str
    model_data: str
    role_arn: str


def model_name(config: Config, hosted: Hosted) -> str:
    """The model's name, of its image, archive and role."""
    return names.of_work(
        config.name, [hosted.image, hosted.model_data, hosted.role_arn]
    )


def config_name(config: Config, account: Account, hosted: Hosted) -> str:
    """The endpoint configuration's name, of all that it says."""
    return names.of_work(
        names.endpoint(config), _variants(config, account, model_name(config, hosted))
    )


def plan_model(config: Config, hosted: Hosted, has_model: bool) -> list[Action]:
    """CreateModel, unless it is there."""
    name = model_name(config, hosted)
    parameters = {
        "ModelName": name,
        "PrimaryContainer": {"Image": hosted.image, "ModelDataUrl": hosted.model_data},
        "ExecutionRoleArn": hosted.role_arn,
        "Tags": names.tag_list(config),
    }
    return (
        []
        if has_model
        else [
            Call(
                f"create model {name}", Request("sagemaker", "CreateModel", parameters)
            )
        ]
    )


def plan_deploy(
    config: Config, account: Account, hosted: Hosted, state: HostingState
) -> list[Action]:
    """From any settled state to an endpoint in service with what is wanted.

    Raises:
        ForeignError: if the endpoint's name is taken by one that isn't ours.
        LauncherError: if the endpoint is under way, which `settle` waits for.
    """
    endpoint, wanted = names.endpoint(config), config_name(config, account, hosted)
    if state.status and not state.ours:
        raise ForeignError(
            f"endpoint {endpoint} is there, but isn't ours: set hosting.endpoint to another name"
        )
    if state.status in PASSING:
        raise LauncherError(
            f"endpoint {endpoint} is {state.status}: run the command again when it has settled"
        )
    plan = plan_model(config, hosted, state.has_model)
    if not state.has_config:
        parameters = {
            "EndpointConfigName": wanted,
            **_variants(config, account, model_name(config, hosted)),
            "Tags": names.tag_list(config),
        }
        request = Request("sagemaker", "CreateEndpointConfig", parameters)
        plan.append(Call(f"create endpoint configuration {wanted}", request))
    if state.status == GOOD and state.config_name == wanted:
        return plan
    if state.status == GOOD:
        return [*plan, *_update(config, endpoint, wanted, state.config_name)]
    if (
        state.status
    ):  # Failed, OutOfService or UpdateRollbackFailed: nothing but deletion is allowed
        plan += plan_deletion(endpoint, state.status)
    return [*plan, *_create(config, endpoint, wanted)]


def settle(endpoint: str) -> Wait:
    """Wait until an endpoint that is being changed has come to rest, well or not."""
    good = (GOOD, "Failed", "OutOfService", "UpdateRollbackFailed", ABSENT)
    return Wait(
        f"wait until endpoint {endpoint} has settled",
        _describe(endpoint),
        "EndpointStatus",
        PASSING,
        good,
    )


def plan_deletion(endpoint: str, status: str) -> list[Action]:
    """Delete an endpoint and wait until it is gone: its configuration may only be
    deleted after it.

    One that is being changed is waited for, as SageMaker refuses to delete it
    meanwhile.
    """
    delete = Request("sagemaker", "DeleteEndpoint", {"EndpointName": endpoint})
    # Deleting takes a while in which it still answers with the state that it had.
    passing = (*PASSING, GOOD, "Failed", "OutOfService", "UpdateRollbackFailed")
    gone = Wait(
        f"wait until endpoint {endpoint} is gone",
        _describe(endpoint),
        "EndpointStatus",
        passing,
        (ABSENT,),
    )
    settled = [settle(endpoint)] if status in PASSING else []
    return [*settled, Call(f"delete endpoint {endpoint}", delete, deletes=True), gone]


def _create(config: Config, endpoint: str, wanted: str) -> list[Action]:
    parameters = {
        "EndpointName": endpoint,
        "EndpointConfigName": wanted,
        "Tags": names.tag_list(config),
    }
    create = Call(
        f"create endpoint {endpoint}",
        Request("sagemaker", "CreateEndpoint", parameters),
    )
    return [create, _in_service(endpoint, wanted)]


def _update(config: Config, endpoint: str, wanted: str, last_good: str) -> list[Action]:
    parameters = {"EndpointName": endpoint, "EndpointConfigName": wanted}
    update = Call(
        f"update endpoint {endpoint} to {wanted}",
        Request("sagemaker", "UpdateEndpoint", parameters),
    )
    back = (*plan_deletion(endpoint, GOOD), *_create(config, endpoint, last_good))
    return [update, _in_service(endpoint, wanted, back)]


def _in_service(endpoint: str, wanted: str, otherwise: tuple[Action, ...] = ()) -> Wait:
    return Wait(
        f"wait until endpoint {endpoint} is in service",
        _describe(endpoint),
        "EndpointStatus",
        PASSING,
        (GOOD,),
        otherwise,
        also=("EndpointConfigName", wanted),
    )


def _describe(endpoint: str) -> Request:
    return Request("sagemaker", "DescribeEndpoint", {"EndpointName": endpoint})


def _variants(config: Config, account: Account, model: str) -> dict[str, Any]:
    """The part of an endpoint configuration that says what runs."""
    variant: dict[str, Any] = {"VariantName": "main", "ModelName": model}
    if config.hosting_kind == "serverless":
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": config.hosting_memory_mb,
            "MaxConcurrency": config.hosting_max_concurrency,
        }
        return {"ProductionVariants": [variant]}
    variant |= {
        "InstanceType": config.hosting_instance_type,
        "InitialInstanceCount": config.hosting_instance_count,
        "InitialVariantWeight": 1.0,
    }
    if config.hosting_kind == "real-time":
        return {"ProductionVariants": [variant]}
    bucket = names.bucket(config, account.account)
    return {
        "ProductionVariants": [variant],
        "AsyncInferenceConfig": {
            "ClientConfig": {
                "MaxConcurrentInvocationsPerInstance": config.hosting_max_concurrency
            },
            "OutputConfig": {
                "S3OutputPath": f"s3://{bucket}/async/output",
                "S3FailurePath": f"s3://{bucket}/async/failure",
            },
        },
    }
