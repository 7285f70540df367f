"""Autoscaling of an endpoint: target tracking, and from zero for asynchronous ones.

A real-time endpoint keeps to so many requests a minute for each instance. An
asynchronous one keeps to so many waiting requests for each instance. It may go to zero
instances, where there is no such figure, so a step policy adds the first instance when
an alarm says that requests wait.
"""

from __future__ import annotations

from typing import Any

from launcher.config import Config
from launcher.errors import ConfigError
from launcher.plans.alarms import plan_alarm_tags
from launcher.requests import Action, AnswerOf, Call, Request
from launcher.world.operation import (
    BACKLOG_POLICY,
    SERVICE,
    TRACKING_POLICY,
    ScalingState,
    Tags,
    alarm_name,
    scalable,
)

_GONE = ("ObjectNotFoundException", "ValidationException")
_SECONDS_TO_ADD = 60
_SECONDS_TO_TAKE_AWAY = 300


def check_scaling(config: Config) -> None:
    """Check that the settings of an endpoint go together.

    Raises:
        ConfigError: names every fault.
    """
    faults: list[str] = []
    if config.hosting_kind == "serverless":
        given = {
            "scaling.max": config.scaling_max,
            "capture.percent": config.capture_percent,
            "network.subnets": config.network_subnets,
            "network.isolation": config.network_isolation,
        }
        for key, value in given.items():
            if value:
                faults.append(f"a serverless endpoint doesn't take {key}")
    if config.scaling_max:
        if config.scaling_min > config.scaling_max:
            faults.append("scaling.min is above scaling.max")
        if config.scaling_min == 0 and config.hosting_kind != "async":
            faults.append("scaling.min is 0, which only async endpoints take")
    if faults:
        raise ConfigError("; ".join(faults))


def plan_scaling(
    config: Config, endpoint: str, state: ScalingState, tags: Tags
) -> list[Action]:
    """From what scales an endpoint now to what the configuration says.

    Args:
        config: how it should scale.
        endpoint: its name.
        state: how it scales.
        tags: of the alarm that it makes.
    """
    if not config.scaling_max:
        return plan_no_scaling(endpoint, state)

    plan: list[Action] = []
    wanted = (config.scaling_min, config.scaling_max)
    if state.bounds != wanted:
        least, most = wanted
        capacity = {"MinCapacity": least, "MaxCapacity": most}
        request = _request("RegisterScalableTarget", endpoint, capacity)
        says = f"scale endpoint {endpoint} between {least} and {most} instances"
        plan.append(Call(says, request))

    tracking = _tracking(config, endpoint)
    if not state.has(TRACKING_POLICY, tracking):
        policy = {
            "PolicyName": TRACKING_POLICY,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": tracking,
        }
        request = _request("PutScalingPolicy", endpoint, policy)
        target = tracking["TargetValue"]
        load = "waiting requests"
        if config.hosting_kind != "async":
            load = "requests a minute"
        says = f"keep endpoint {endpoint} at {target:,g} {load} for each instance"
        plan.append(Call(says, request))
    if config.scaling_min == 0:
        plan += _from_zero(endpoint, state, tags)
    return plan


def plan_no_scaling(endpoint: str, state: ScalingState) -> list[Action]:
    """Leave the number of instances as it is from now on."""
    if state.bounds is None:
        return []
    request = _request("DeregisterScalableTarget", endpoint, {})
    says = f"stop scaling endpoint {endpoint}"
    # Its policies go with it.
    return [Call(says, request, done_if=_GONE)]


def _tracking(config: Config, endpoint: str) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "ScaleOutCooldown": _SECONDS_TO_ADD,
        "ScaleInCooldown": _SECONDS_TO_TAKE_AWAY,
    }
    if config.hosting_kind == "async":
        policy["TargetValue"] = float(config.scaling_backlog)
        policy["CustomizedMetricSpecification"] = {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
            "Statistic": "Average",
        }
        return policy
    policy["TargetValue"] = float(config.scaling_invocations)
    policy["PredefinedMetricSpecification"] = {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    }
    return policy


def _from_zero(endpoint: str, state: ScalingState, tags: Tags) -> list[Action]:
    plan: list[Action] = []
    step = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "Cooldown": _SECONDS_TO_TAKE_AWAY,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    arn: str | AnswerOf = state.policy_arns.get(BACKLOG_POLICY, "")
    if not state.has(BACKLOG_POLICY, step):
        policy = {
            "PolicyName": BACKLOG_POLICY,
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": step,
        }
        request = _request("PutScalingPolicy", endpoint, policy)
        plan.append(Call("add the first instance when requests wait", request))
        arn = AnswerOf("PutScalingPolicy", "PolicyARN")
    name = alarm_name(endpoint, "backlog")
    if name in state.alarms and not plan:
        return plan_alarm_tags(name, state.alarms[name], tags)
    alarm = {
        "AlarmName": name,
        "AlarmDescription": f"Requests wait for endpoint {endpoint}, which has no "
        "instance",
        "Namespace": "AWS/SageMaker",
        "MetricName": "HasBacklogWithoutCapacity",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "AlarmActions": [arn],
        "Tags": tags,
    }
    request = Request("cloudwatch", "PutMetricAlarm", alarm)
    return [*plan, Call(f"put alarm {name}", request)]


def _request(operation: str, endpoint: str, members: dict[str, Any]) -> Request:
    parameters = {"ServiceNamespace": SERVICE, **scalable(endpoint), **members}
    return Request("application-autoscaling", operation, parameters)
