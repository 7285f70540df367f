"""What watches and scales an endpoint, and how it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from launcher import names
from launcher.aws import Aws
from launcher.config import Config

# The one variant that our endpoints have.
VARIANT = "main"
SERVICE = "sagemaker"
TRACKING_POLICY = "tracking"
BACKLOG_POLICY = "backlog"
ALARMS = ("errors", "latency")

Tags = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class AlarmState:
    """An alarm.

    Attributes:
        state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        settings: as CloudWatch describes it.
        ours: whether it carries our tag.
        tags: all that it carries.
    """

    state: str
    settings: Mapping[str, Any]
    ours: bool
    tags: Tags = field(default_factory=list)

    def says(self, alarm: Mapping[str, Any]) -> bool:
        """Whether it is as a request would make it."""
        return _includes(self.settings, alarm)


@dataclass(frozen=True, slots=True)
class DashboardState:
    """A dashboard.

    Attributes:
        body: its widgets, as CloudWatch has them.
        ours: whether its text says so.
    """

    body: Mapping[str, Any]
    ours: bool


@dataclass(frozen=True, slots=True)
class ScalingState:
    """How an endpoint scales.

    Attributes:
        bounds: fewest and most instances, None if it doesn't scale.
        policies: the configuration of each policy by name.
        policy_arns: the ARN of each policy by name.
        alarms: alarms with our names, by name.
    """

    bounds: tuple[int, int] | None = None
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policy_arns: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, AlarmState] = field(default_factory=dict)

    def has(self, policy: str, configuration: Mapping[str, Any]) -> bool:
        """Whether it has a policy with this configuration."""
        return _includes(self.policies.get(policy, {}), configuration)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an endpoint has answered in some time.

    Attributes:
        requests: how many there were.
        refused: how many had a fault of their own.
        failed: how many the endpoint failed to answer.
        p99_ms: how long 99 % of answers took at most, None without answers.
    """

    requests: int
    refused: int
    failed: int
    p99_ms: float | None


def alarm_name(endpoint: str, what: str) -> str:
    """The name of an endpoint's alarm about something."""
    return f"{endpoint}-{what}"


def dimensions(endpoint: str) -> list[dict[str, str]]:
    """What names an endpoint's metrics."""
    return [
        {"Name": "EndpointName", "Value": endpoint},
        {"Name": "VariantName", "Value": VARIANT},
    ]


def scalable(endpoint: str) -> dict[str, str]:
    """What names an endpoint's number of instances."""
    return {
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def read_alarms(aws: Aws, config: Config, endpoint: str) -> dict[str, AlarmState]:
    """The alarms with the names that we give to those of an endpoint."""
    wanted = [alarm_name(endpoint, what) for what in (*ALARMS, "backlog")]
    listed = aws.pages(
        "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=wanted
    )
    ours = {"Key": names.TAG_KEY, "Value": config.name}
    found: dict[str, AlarmState] = {}
    for alarm in listed:
        answer = aws.read(
            "cloudwatch", "ListTagsForResource", ResourceARN=alarm["AlarmArn"]
        )
        tags = answer.get("Tags", [])
        found[alarm["AlarmName"]] = AlarmState(
            alarm.get("StateValue", ""), alarm, ours in tags, tags
        )
    return found


def dashboard_owner(config: Config) -> str:
    """The line of a dashboard's text that says whose it is."""
    return f"Made by `launcher deploy`: {names.TAG_KEY}={config.name}"


def read_dashboard(aws: Aws, config: Config, endpoint: str) -> DashboardState | None:
    """The dashboard with the name of an endpoint, None if there is none."""
    found = aws.read_or_none("cloudwatch", "GetDashboard", DashboardName=endpoint)
    if found is None:
        return None
    body: dict[str, Any] = json.loads(found["DashboardBody"])
    texts = [
        widget.get("properties", {}).get("markdown", "")
        for widget in body.get("widgets", [])
    ]
    owner = dashboard_owner(config)
    return DashboardState(body, any(owner in text.splitlines() for text in texts))


def read_scaling(
    aws: Aws, endpoint: str, alarms: Mapping[str, AlarmState]
) -> ScalingState:
    """How an endpoint scales."""
    place = scalable(endpoint)
    targets = aws.pages(
        "application-autoscaling",
        "DescribeScalableTargets",
        "ScalableTargets",
        ServiceNamespace=SERVICE,
        ResourceIds=[place["ResourceId"]],
        ScalableDimension=place["ScalableDimension"],
    )
    bounds = None
    for target in targets:
        bounds = (target["MinCapacity"], target["MaxCapacity"])
    if bounds is None:
        return ScalingState(alarms=alarms)

    policies: dict[str, Mapping[str, Any]] = {}
    arns: dict[str, str] = {}
    listed = aws.pages(
        "application-autoscaling",
        "DescribeScalingPolicies",
        "ScalingPolicies",
        ServiceNamespace=SERVICE,
        **place,
    )
    for policy in listed:
        name = policy["PolicyName"]
        arns[name] = policy["PolicyARN"]
        tracking = policy.get("TargetTrackingScalingPolicyConfiguration")
        policies[name] = tracking or policy.get("StepScalingPolicyConfiguration", {})
    return ScalingState(bounds, policies, arns, alarms)


def read_traffic(
    aws: Aws, endpoint: str, hours: float = 1.0, now: datetime | None = None
) -> Traffic:
    """What an endpoint has answered lately.

    Args:
        aws: where to look.
        endpoint: its name.
        hours: how long ago to begin.
        now: when to end, the present by default.
    """
    end = now or datetime.now(UTC)
    queries = [
        _query("requests", "Invocations", "Sum", endpoint, hours),
        _query("refused", "Invocation4XXErrors", "Sum", endpoint, hours),
        _query("failed", "Invocation5XXErrors", "Sum", endpoint, hours),
        _query("latency", "ModelLatency", "p99", endpoint, hours),
    ]
    listed = aws.pages(
        "cloudwatch",
        "GetMetricData",
        "MetricDataResults",
        MetricDataQueries=queries,
        StartTime=end - timedelta(hours=hours),
        EndTime=end,
    )
    values = {result["Id"]: result.get("Values", []) for result in listed}
    latencies = values.get("latency", [])
    return Traffic(
        requests=round(sum(values.get("requests", []))),
        refused=round(sum(values.get("refused", []))),
        failed=round(sum(values.get("failed", []))),
        # The service counts microseconds.
        p99_ms=max(latencies) / 1000 if latencies else None,
    )


def _query(
    name: str, metric: str, statistic: str, endpoint: str, hours: float
) -> dict[str, Any]:
    described = {
        "Namespace": "AWS/SageMaker",
        "MetricName": metric,
        "Dimensions": dimensions(endpoint),
    }
    statistics = {
        "Metric": described,
        "Period": max(60, round(3600 * hours)),
        "Stat": statistic,
    }
    return {"Id": name, "MetricStat": statistics}


def _includes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a description has everything that a request would set."""
    return all(found.get(name) == value for name, value in wanted.items())
