"""Endpoints: a model, an endpoint configuration and an endpoint, updated without
downtime and rolled back when the update fails.

Models and configurations never change: their names carry a hash of what they are, and
a change makes new ones. During an update SageMaker keeps the old instances until the
new ones answer. If an update leaves the endpoint broken all the same, SageMaker allows
nothing but its deletion, so it is made again with the configuration that worked.
"""

from __future__ import annotations

from typing import Any

from launcher import names
from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.kinds import ABSENT, ENDPOINT, IN_SERVICE
from launcher.plans.protection import key, network
from launcher.plans.scaling import check_scaling
from launcher.redaction import without_secrets
from launcher.requests import Action, Call, Request, Wait
from launcher.s3_uri import S3Uri
from launcher.world.account import Account
from launcher.world.endpoints import HostingState
from launcher.world.jobs import TrainedModel
from launcher.world.operation import VARIANT


def model_name(config: Config, trained: TrainedModel) -> str:
    """The name of the SageMaker model, with a hash of its image, archive, role and
    variables. Secrets have no part in the hash, which everybody sees.
    """
    parts: list[Any] = [trained.image, trained.model_data, trained.role_arn]
    # A model never changes, so one in another network is another model.
    if members := network(config):
        parts.append(members)
    if config.environment:
        parts.append(without_secrets(config.environment))
    return names.for_work(config.name, parts)


def config_name(config: Config, account: Account, trained: TrainedModel) -> str:
    """The name of the endpoint configuration, with a hash of all that it says."""
    variants = _variants(config, account, model_name(config, trained))
    return names.for_work(names.endpoint(config), variants)


def plan_model(config: Config, trained: TrainedModel, has_model: bool) -> list[Action]:
    """CreateModel, unless the model exists."""
    if has_model:
        return []
    name = model_name(config, trained)
    parameters = {
        "ModelName": name,
        "PrimaryContainer": container_of(config, trained),
        "ExecutionRoleArn": trained.role_arn,
        **network(config),
        "Tags": names.tag_list(config),
    }
    request = Request("sagemaker", "CreateModel", parameters)
    return [Call(f"create model {name}", request, creates=True)]


def container_of(config: Config, trained: TrainedModel) -> dict[str, Any]:
    """Image, archive and variables of what serves a model."""
    container: dict[str, Any] = {
        "Image": trained.image,
        "ModelDataUrl": trained.model_data,
    }
    if config.environment:
        container["Environment"] = dict(config.environment)
    return container


def plan_deploy(
    config: Config, account: Account, trained: TrainedModel, state: HostingState
) -> list[Action]:
    """From any settled state to an endpoint that serves the trained model.

    Raises:
        ForeignError: somebody else's endpoint has the name.
        LauncherError: the endpoint is being changed; `settle` waits for it.
    """
    endpoint = names.endpoint(config)
    wanted = config_name(config, account, trained)
    if state.status and not state.ours:
        raise ForeignError(
            f"endpoint {endpoint} exists, but isn't ours: "
            "set hosting.endpoint to another name"
        )
    if state.status in ENDPOINT.under_way:
        raise LauncherError(
            f"endpoint {endpoint} is {state.status}: "
            "run the command again when it has settled"
        )

    check_scaling(config)
    plan = plan_model(config, trained, state.has_model)
    if not state.has_config:
        plan.append(_create_config(config, account, trained, wanted))
    if state.status == IN_SERVICE:
        plan += _missing_tags(config, state)
        if state.config_name != wanted:
            plan += plan_update(config, state, wanted)
        return plan
    if state.status:  # it is broken, and SageMaker allows nothing but its deletion
        plan += plan_deletion(endpoint, state.status)
    return [*plan, *_create(config, endpoint, wanted)]


def settle(endpoint: str) -> Wait:
    """Wait until an endpoint is no longer being changed, whether it is well or not."""
    return Wait(
        f"wait until endpoint {endpoint} has settled",
        ENDPOINT.request("Describe", endpoint),
        ENDPOINT.state_member,
        ENDPOINT.under_way,
        good=(*ENDPOINT.settled, ABSENT),
    )


def plan_deletion(endpoint: str, status: str) -> list[Action]:
    """Delete an endpoint and wait until it is gone.

    SageMaker refuses to delete an endpoint that is being changed, so that is waited for
    first. It refuses to delete the endpoint's configuration before the endpoint is
    gone.
    """
    delete = Call(
        f"delete endpoint {endpoint}",
        ENDPOINT.request("Delete", endpoint),
        deletes=True,
    )
    gone = Wait(
        f"wait until endpoint {endpoint} is gone",
        ENDPOINT.request("Describe", endpoint),
        ENDPOINT.state_member,
        # At first it goes on answering with the state that it had.
        under_way=(*ENDPOINT.under_way, *ENDPOINT.settled),
        good=(ABSENT,),
    )
    if status in ENDPOINT.under_way:
        return [settle(endpoint), delete, gone]
    return [delete, gone]


def _create_config(
    config: Config, account: Account, trained: TrainedModel, name: str
) -> Call:
    parameters = {
        "EndpointConfigName": name,
        **_variants(config, account, model_name(config, trained)),
        "Tags": names.tag_list(config),
    }
    return Call(
        f"create endpoint configuration {name}",
        Request("sagemaker", "CreateEndpointConfig", parameters),
        creates=True,
    )


def _create(config: Config, endpoint: str, wanted: str) -> list[Action]:
    parameters = {
        "EndpointName": endpoint,
        "EndpointConfigName": wanted,
        "Tags": names.tag_list(config),
    }
    request = Request("sagemaker", "CreateEndpoint", parameters)
    create = Call(f"create endpoint {endpoint}", request, creates=True)
    return [create, _wait_in_service(endpoint, wanted)]


def plan_update(config: Config, state: HostingState, wanted: str) -> list[Action]:
    """Give an endpoint in service another configuration that exists.

    The configuration before is kept in a tag, for ``launcher rollback``.
    """
    endpoint = names.endpoint(config)
    before = state.config_name
    parameters: dict[str, Any] = {
        "EndpointName": endpoint,
        "EndpointConfigName": wanted,
    }
    if state.scales:
        # All but the number of instances comes from the new configuration.
        parameters["RetainAllVariantProperties"] = True
        parameters["ExcludeRetainedVariantProperties"] = [
            {"VariantPropertyType": "DesiredWeight"},
            {"VariantPropertyType": "DataCaptureConfig"},
        ]
    update = Call(
        f"update endpoint {endpoint} to {wanted}",
        Request("sagemaker", "UpdateEndpoint", parameters),
    )
    deletion = plan_deletion(endpoint, IN_SERVICE)
    fallback = (*deletion, *_create(config, endpoint, before))
    tags = {
        "ResourceArn": state.arn,
        "Tags": names.as_list({names.BEFORE_KEY: before}),
    }
    remember = Call(
        f"remember {before}, for `launcher rollback`",
        Request("sagemaker", "AddTags", tags),
    )
    return [update, _wait_in_service(endpoint, wanted, fallback), remember]


def _missing_tags(config: Config, state: HostingState) -> list[Action]:
    missing = names.missing_tags(config, state.tags)
    if not missing:
        return []
    tags = {"ResourceArn": state.arn, "Tags": missing}
    request = Request("sagemaker", "AddTags", tags)
    return [Call(f"tag endpoint {names.endpoint(config)}", request)]


def _wait_in_service(
    endpoint: str, wanted: str, fallback: tuple[Action, ...] = ()
) -> Wait:
    return Wait(
        f"wait until endpoint {endpoint} is in service",
        ENDPOINT.request("Describe", endpoint),
        ENDPOINT.state_member,
        ENDPOINT.under_way,
        good=(IN_SERVICE,),
        required=("EndpointConfigName", wanted),
        fallback=fallback,
    )


def _variants(config: Config, account: Account, model: str) -> dict[str, Any]:
    """The part of an endpoint configuration that says what runs."""
    protection: dict[str, Any] = key("KmsKeyId", config.keys_endpoint)
    if config.capture_percent:
        protection["DataCaptureConfig"] = _capture(config, account)
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": model}
    if config.hosting_kind == "serverless":
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": config.hosting_memory_mb,
            "MaxConcurrency": config.hosting_max_concurrency,
        }
        return {"ProductionVariants": [variant], **protection}

    variant |= {
        "InstanceType": config.hosting_instance_type,
        "InitialInstanceCount": config.hosting_instance_count,
        "InitialVariantWeight": 1.0,
    }
    if config.hosting_kind == "real-time":
        return {"ProductionVariants": [variant], **protection}

    answers = S3Uri(names.bucket(config, account.id), "async")
    concurrency = {
        "MaxConcurrentInvocationsPerInstance": config.hosting_max_concurrency
    }
    return {
        "ProductionVariants": [variant],
        "AsyncInferenceConfig": {
            "ClientConfig": concurrency,
            "OutputConfig": {
                "S3OutputPath": str(answers / "output"),
                "S3FailurePath": str(answers / "failure"),
                **key("KmsKeyId", config.keys_output),
            },
        },
        **protection,
    }


def _capture(config: Config, account: Account) -> dict[str, Any]:
    """Keep a share of requests and answers in the bucket, as text where they are."""
    place = S3Uri(names.bucket(config, account.id), "capture")
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": config.capture_percent,
        "DestinationS3Uri": str(place),
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
        **key("KmsKeyId", config.keys_output),
    }
