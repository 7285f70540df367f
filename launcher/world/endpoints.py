"""The endpoint, and whether its model and its configuration exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from launcher import names
from launcher.aws import Aws
from launcher.config import Config, Sources
from launcher.kinds import ENDPOINT, ENDPOINT_CONFIG, MODEL
from launcher.world.resources import tags_of


@dataclass(frozen=True, slots=True)
class HostingState:
    """What there is of a deployment.

    Attributes:
        has_model: whether the model to deploy exists.
        has_config: whether the endpoint configuration to deploy exists.
        status: the endpoint's state, empty if there is no endpoint.
        config_name: the configuration that the endpoint has now.
        ours: whether the endpoint is ours, or its name is free.
        instance_count: that its configuration says, None without instances.
        scales: whether something changes its number of instances.
        arn: of the endpoint.
        tags: of the endpoint.
    """

    has_model: bool = False
    has_config: bool = False
    status: str = ""
    config_name: str = ""
    ours: bool = True
    instance_count: int | None = None
    scales: bool = False
    arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def before(self) -> str:
        """The configuration before the last update, empty if there was none."""
        return self.tags.get(names.BEFORE_KEY, "")


def has_model(aws: Aws, name: str) -> bool:
    """Whether there is a model of that name."""
    return aws.send_or_none(MODEL.request("Describe", name)) is not None


def read_endpoint(aws: Aws, config: Config) -> HostingState:
    """The endpoint; nothing is known yet of what is to be deployed."""
    endpoint = aws.send_or_none(ENDPOINT.request("Describe", names.endpoint(config)))
    if endpoint is None:
        return HostingState()

    config_name = endpoint["EndpointConfigName"]
    configuration = aws.send_or_none(ENDPOINT_CONFIG.request("Describe", config_name))
    variants = (configuration or {}).get("ProductionVariants", [{}])
    arn = endpoint["EndpointArn"]
    tags = tags_of(aws, arn)
    return HostingState(
        status=endpoint["EndpointStatus"],
        config_name=config_name,
        ours=tags.get(names.TAG_KEY) == config.name,
        instance_count=variants[0].get("InitialInstanceCount"),
        arn=arn,
        tags=tags,
    )


def read_hosting(
    aws: Aws, endpoint: HostingState, model: str, wanted: str
) -> HostingState:
    """What there is of a deployment.

    Args:
        aws: where to look.
        endpoint: the endpoint, as `read_endpoint` has found it.
        model: name of the model to deploy.
        wanted: name of the endpoint configuration to deploy.
    """
    configuration = aws.send_or_none(ENDPOINT_CONFIG.request("Describe", wanted))
    return replace(
        endpoint,
        has_model=has_model(aws, model),
        has_config=configuration is not None,
    )


def keep_instance_count(
    config: Config, sources: Sources, endpoint: HostingState
) -> Config:
    """The configuration with the endpoint's number of instances, if nobody set one.

    So ``deploy --instance-count 2`` holds until another number is given.
    """
    is_given = sources["hosting.instance_count"] != "default"
    if is_given or endpoint.instance_count is None:
        return config
    return replace(config, hosting_instance_count=endpoint.instance_count)
