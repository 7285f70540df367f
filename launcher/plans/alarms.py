"""Alarms of an endpoint: answers that fail, and answers that take long."""

from __future__ import annotations

from typing import Any

from launcher.config import Config
from launcher.errors import ForeignError
from launcher.requests import Action, Call, Request
from launcher.world.operation import (
    ALARMS,
    AlarmState,
    Tags,
    alarm_name,
    dimensions,
)


def plan_alarms(
    config: Config, endpoint: str, found: dict[str, AlarmState], tags: Tags
) -> list[Action]:
    """Make, change and delete alarms, as the configuration says.

    Args:
        config: when they should ring, and whom they tell.
        endpoint: its name.
        found: the alarms with our names that exist, by name.
        tags: of all that we create.

    Raises:
        ForeignError: somebody else's alarm has a name that we would use.
    """
    wanted = _wanted(config, endpoint)
    plan: list[Action] = []
    for name, alarm in wanted.items():
        state = found.get(name)
        if state is not None and not state.ours:
            raise ForeignError(
                f"alarm {name} exists, but isn't ours: set hosting.endpoint to another "
                "name, or leave its setting in [alarms] out"
            )
        if state is None or not state.says(alarm):
            request = Request("cloudwatch", "PutMetricAlarm", {**alarm, "Tags": tags})
            plan.append(Call(f"put alarm {name}", request))
        if state is not None:
            plan += plan_alarm_tags(name, state, tags)
    gone = [
        name
        for name in (alarm_name(endpoint, what) for what in ALARMS)
        if name in found and found[name].ours and name not in wanted
    ]
    return [*plan, *plan_no_alarms(gone)]


def plan_alarm_tags(name: str, state: AlarmState, tags: Tags) -> list[Action]:
    """Give an alarm the tags that it lacks; a changed alarm keeps those that it had."""
    missing = [tag for tag in tags if tag not in state.tags]
    if not missing:
        return []
    parameters = {"ResourceARN": state.settings["AlarmArn"], "Tags": missing}
    request = Request("cloudwatch", "TagResource", parameters)
    return [Call(f"tag alarm {name}", request)]


def plan_no_alarms(alarms: list[str]) -> list[Action]:
    """Delete alarms."""
    if not alarms:
        return []
    request = Request("cloudwatch", "DeleteAlarms", {"AlarmNames": alarms})
    what = "alarm" if len(alarms) == 1 else "alarms"
    says = f"delete {what} {', '.join(alarms)}"
    return [Call(says, request, done_if=("ResourceNotFound",), deletes=True)]


def _wanted(config: Config, endpoint: str) -> dict[str, dict[str, Any]]:
    alarms: dict[str, dict[str, Any]] = {}
    if config.alarms_errors:
        alarms["errors"] = {
            "AlarmDescription": f"Endpoint {endpoint} fails to answer",
            "MetricName": "Invocation5XXErrors",
            "Statistic": "Sum",
            "Threshold": float(config.alarms_errors),
        }
    if config.alarms_latency_ms:
        alarms["latency"] = {
            "AlarmDescription": f"Endpoint {endpoint} answers slowly",
            "MetricName": "ModelLatency",
            "ExtendedStatistic": "p99",
            # The service counts microseconds.
            "Threshold": 1000.0 * config.alarms_latency_ms,
        }
    common = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": dimensions(endpoint),
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": list(config.alarms_notify),
    }
    return {
        alarm_name(endpoint, what): {
            "AlarmName": alarm_name(endpoint, what),
            **alarm,
            **common,
        }
        for what, alarm in alarms.items()
    }
