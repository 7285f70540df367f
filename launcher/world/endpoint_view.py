"""All that one wants to know of an endpoint that runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from launcher import names
from launcher.aws import Aws
from launcher.config import Config
from launcher.kinds import ENDPOINT, ENDPOINT_CONFIG
from launcher.world.operation import (
    ScalingState,
    Traffic,
    read_alarms,
    read_scaling,
    read_traffic,
)
from launcher.world.resources import tags_of


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint, how it is set, and how it does.

    Attributes:
        name: its name.
        state: in SageMaker's words.
        config_name: its configuration.
        before: the configuration before the last update, empty if there was none.
        instance_type: empty without instances.
        instance_count: how many run now.
        capture_percent: share of requests that are kept.
        scaling: how it scales, and its alarms.
        traffic: what it has answered in the last hour.
    """

    name: str
    state: str
    config_name: str
    before: str
    instance_type: str
    instance_count: int
    capture_percent: int
    scaling: ScalingState
    traffic: Traffic

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        bounds = self.scaling.bounds
        return {
            "config": self.config_name,
            "before": self.before,
            "instance_type": self.instance_type,
            "instance_count": self.instance_count,
            "scaling": list(bounds) if bounds else None,
            "capture_percent": self.capture_percent,
            "alarms": {
                name: alarm.state for name, alarm in self.scaling.alarms.items()
            },
            "last_hour": asdict(self.traffic),
        }


def read_endpoint_view(aws: Aws, config: Config, name: str) -> EndpointView | None:
    """An endpoint as it is now; None if it is gone."""
    endpoint = aws.send_or_none(ENDPOINT.request("Describe", name))
    if endpoint is None:
        return None
    config_name = endpoint["EndpointConfigName"]
    described = aws.send_or_none(ENDPOINT_CONFIG.request("Describe", config_name))
    configuration = described or {}
    configured = configuration.get("ProductionVariants", [{}])[0]
    running = (endpoint.get("ProductionVariants") or [{}])[0]
    capture = configuration.get("DataCaptureConfig") or {}
    alarms = read_alarms(aws, config, name)
    return EndpointView(
        name=name,
        state=endpoint["EndpointStatus"],
        config_name=config_name,
        before=tags_of(aws, endpoint["EndpointArn"]).get(names.BEFORE_KEY, ""),
        instance_type=configured.get("InstanceType", ""),
        instance_count=_count(configured, running),
        capture_percent=capture.get("InitialSamplingPercentage", 0),
        scaling=read_scaling(aws, name, alarms),
        traffic=read_traffic(aws, name),
    )


def _count(configured: dict[str, Any], running: dict[str, Any]) -> int:
    """How many instances run, or should, if SageMaker doesn't say."""
    default = configured.get("InitialInstanceCount", 0)
    return int(running.get("CurrentInstanceCount", default))
