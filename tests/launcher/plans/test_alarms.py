from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.config import Config
from launcher.errors import ForeignError
from launcher.plans.alarms import plan_alarms
from launcher.requests import Action, Call, Request
from launcher.validate import validate
from launcher.world.operation import AlarmState

TAGS = [{"Key": "halfstar", "Value": "halfstar"}]
TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call"


@pytest.fixture
def watched(config: Config) -> Config:
    return replace(
        config, alarms_errors=5, alarms_latency_ms=250, alarms_notify=(TOPIC,)
    )


def requests(plan: list[Action]) -> list[Request]:
    found: list[Request] = []
    for action in plan:
        assert isinstance(action, Call)
        validate(action.request)
        found.append(action.request)
    return found


def test_alarms_ring_at_errors_and_at_slow_answers(watched: Config) -> None:
    errors, latency = requests(plan_alarms(watched, "e", {}, TAGS))
    assert errors.parameters["AlarmName"] == "e-errors"
    assert errors.parameters["MetricName"] == "Invocation5XXErrors"
    assert errors.parameters["Threshold"] == 5
    assert latency.parameters["AlarmName"] == "e-latency"
    assert latency.parameters["ExtendedStatistic"] == "p99"
    assert latency.parameters["Threshold"] == 250_000  # microseconds
    for request in (errors, latency):
        assert request.parameters["AlarmActions"] == [TOPIC]
        assert request.parameters["Tags"] == TAGS


def test_an_alarm_is_changed_or_left_alone(watched: Config) -> None:
    found = {
        str(request.parameters["AlarmName"]): AlarmState(
            "OK", {**request.parameters, "AlarmArn": "a"}, ours=True, tags=TAGS
        )
        for request in requests(plan_alarms(watched, "e", {}, TAGS))
    }
    assert plan_alarms(watched, "e", found, TAGS) == []
    (put,) = requests(plan_alarms(replace(watched, alarms_errors=9), "e", found, TAGS))
    assert put.parameters["Threshold"] == 9
    team = [*TAGS, {"Key": "team", "Value": "b"}]
    for tagged in requests(plan_alarms(watched, "e", found, team)):
        added = {"ResourceARN": "a", "Tags": team[1:]}
        assert tagged == Request("cloudwatch", "TagResource", added)
    (gone,) = requests(plan_alarms(replace(watched, alarms_errors=0), "e", found, TAGS))
    assert gone == Request("cloudwatch", "DeleteAlarms", {"AlarmNames": ["e-errors"]})


def test_a_foreign_alarm_with_our_name_is_refused(
    watched: Config, config: Config
) -> None:
    foreign = {"e-errors": AlarmState("OK", {}, ours=False)}
    with pytest.raises(ForeignError, match="alarm e-errors exists, but isn't ours"):
        plan_alarms(watched, "e", foreign, TAGS)
    assert plan_alarms(config, "e", foreign, TAGS) == []
