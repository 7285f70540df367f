from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from launcher.config import Config
from launcher.errors import ConfigError
from launcher.plans.scaling import check_scaling, plan_no_scaling, plan_scaling
from launcher.requests import Action, AnswerOf, Call
from launcher.validate import validate
from launcher.world.operation import AlarmState, ScalingState

TAGS = [{"Key": "halfstar", "Value": "halfstar"}]


def calls(plan: list[Action]) -> dict[str, Mapping[str, Any]]:
    """The parameters of a plan's calls by operation and name of the policy."""
    found: dict[str, Mapping[str, Any]] = {}
    for action in plan:
        assert isinstance(action, Call)
        validate(action.request)
        parameters = action.request.parameters
        policy = parameters.get("PolicyName", "")
        found[f"{action.request.operation} {policy}".strip()] = parameters
    return found


def test_a_real_time_endpoint_keeps_to_requests_for_each_instance(
    config: Config,
) -> None:
    scaled = replace(config, scaling_max=4, scaling_invocations=600)
    plan = calls(plan_scaling(scaled, "e", ScalingState(), TAGS))
    assert list(plan) == ["RegisterScalableTarget", "PutScalingPolicy tracking"]
    target = plan["RegisterScalableTarget"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["ResourceId"] == "endpoint/e/variant/main"
    policy = plan["PutScalingPolicy tracking"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 600
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    }


def test_an_async_endpoint_scales_from_zero_when_requests_wait(config: Config) -> None:
    scaled = replace(config, hosting_kind="async", scaling_max=4, scaling_min=0)
    plan = calls(plan_scaling(scaled, "e", ScalingState(), TAGS))
    assert plan["RegisterScalableTarget"]["MinCapacity"] == 0
    metric = plan["PutScalingPolicy tracking"][
        "TargetTrackingScalingPolicyConfiguration"
    ]["CustomizedMetricSpecification"]
    assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
    alarm = plan["PutMetricAlarm"]
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    # The alarm tells the policy, whose ARN the service gives.
    assert alarm["AlarmActions"] == [AnswerOf("PutScalingPolicy", "PolicyARN")]


def test_what_is_as_it_should_be_is_left_alone(config: Config) -> None:
    scaled = replace(config, hosting_kind="async", scaling_max=4, scaling_min=0)
    plan = calls(plan_scaling(scaled, "e", ScalingState(), TAGS))
    state = ScalingState(
        bounds=(0, 4),
        policies={
            "tracking": plan["PutScalingPolicy tracking"][
                "TargetTrackingScalingPolicyConfiguration"
            ],
            "backlog": plan["PutScalingPolicy backlog"][
                "StepScalingPolicyConfiguration"
            ],
        },
        policy_arns={"tracking": "a", "backlog": "b"},
        alarms={"e-backlog": AlarmState("OK", {}, ours=True, tags=TAGS)},
    )
    assert plan_scaling(scaled, "e", state, TAGS) == []
    changed = plan_scaling(replace(scaled, scaling_max=5), "e", state, TAGS)
    assert list(calls(changed)) == ["RegisterScalableTarget"]
    without_alarm = replace(state, alarms={})
    (put,) = calls(plan_scaling(scaled, "e", without_alarm, TAGS)).values()
    assert put["AlarmActions"] == ["b"]


def test_what_scales_no_more_is_deregistered(config: Config) -> None:
    plan = plan_scaling(config, "e", ScalingState(bounds=(1, 4)), TAGS)
    assert list(calls(plan)) == ["DeregisterScalableTarget"]
    assert plan_no_scaling("e", ScalingState()) == []


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"scaling_max": 2, "scaling_min": 3}, "scaling.min is above scaling.max"),
        ({"scaling_max": 2, "scaling_min": 0}, "which only async endpoints take"),
        ({"hosting_kind": "serverless", "scaling_max": 2}, "doesn't take scaling.max"),
        (
            {"hosting_kind": "serverless", "capture_percent": 5},
            "a serverless endpoint doesn't take capture.percent",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    config: Config, settings: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        check_scaling(replace(config, **settings))
