"""The endpoint, and whether its model and its configuration exist."""

from __future__ import annotations

from dataclasses import dataclass

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.kinds import ENDPOINT, ENDPOINT_CONFIG, MODEL
from launcher.world.resources import is_ours


@dataclass(frozen=True, slots=True)
class HostingState:
    """What there is of a deployment.

    Attributes:
        has_model: whether the model to deploy exists.
        has_config: whether the endpoint configuration to deploy exists.
        status: the endpoint's state, empty if there is no endpoint.
        config_name: the configuration that the endpoint has now.
        ours: whether the endpoint is ours, or its name is free.
    """

    has_model: bool = False
    has_config: bool = False
    status: str = ""
    config_name: str = ""
    ours: bool = True


def has_model(aws: Aws, name: str) -> bool:
    """Whether there is a model of that name."""
    return aws.send_or_none(MODEL.request("Describe", name)) is not None


def read_hosting(aws: Aws, config: Config, model: str, wanted: str) -> HostingState:
    """What there is of a deployment.

    Args:
        aws: where to look.
        config: says which endpoint.
        model: name of the model to deploy.
        wanted: name of the endpoint configuration to deploy.
    """
    configuration = aws.send_or_none(ENDPOINT_CONFIG.request("Describe", wanted))
    state = HostingState(has_model(aws, model), configuration is not None)

    name = names.endpoint(config)
    endpoint = aws.send_or_none(ENDPOINT.request("Describe", name))
    if endpoint is None:
        return state
    return HostingState(
        state.has_model,
        state.has_config,
        status=endpoint["EndpointStatus"],
        config_name=endpoint["EndpointConfigName"],
        ours=is_ours(aws, config, endpoint["EndpointArn"]),
    )
