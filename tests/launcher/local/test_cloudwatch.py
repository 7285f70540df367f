"""Metrics, their statistics, and alarms that follow them."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.cloudwatch.exceptions import InvalidParameterValue

from launcher.local.cloudwatch import CloudWatch, statistic

NAMESPACE = "AWS/SageMaker"
DIMENSIONS = {"EndpointName": "stars", "VariantName": "main"}
LISTED = [{"Name": name, "Value": value} for name, value in DIMENSIONS.items()]


@pytest.fixture
def watch() -> CloudWatch:
    return CloudWatch("eu-west-1", "123456789012")


def query(name: str, stat: str) -> dict[str, Any]:
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": LISTED}
    return {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}


def around_now() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(minutes=5), now + timedelta(minutes=5)


def values(watch: CloudWatch, name: str, stat: str) -> list[float]:
    start, end = around_now()
    (result,) = watch.get_metric_data([query(name, stat)], start, end)
    return list(result["values"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SampleCount", 100),
        ("Sum", 149),
        ("Average", 1.49),
        ("Minimum", 1),
        ("Maximum", 50),
        ("p50", 1),
        ("p99", 1),
        ("p99.5", 50),
        ("p100", 50),
    ],
)
def test_every_statistic_comes_from_the_counts(name: str, expected: float) -> None:
    assert statistic(Counter({1.0: 99, 50.0: 1}), name) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["tm99", "p", "px", "IQM"])
def test_another_statistic_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidParameterValue, match=f"{name} isn't offered"):
        statistic(Counter({1.0: 1}), name)


def test_values_are_found_by_name_and_dimensions(watch: CloudWatch) -> None:
    now = time.time()
    for latency in (10.0, 30.0):
        watch.record(NAMESPACE, {"ModelLatency": latency}, DIMENSIONS, when=now)
    watch.record(NAMESPACE, {"ModelLatency": 99}, {"EndpointName": "other"})
    assert values(watch, "ModelLatency", "Average") == [20]
    assert values(watch, "ModelLatency", "p99") == [30]
    assert values(watch, "Invocations", "Sum") == []
    start, end = around_now()
    (point,) = watch.get_metric_statistics(
        NAMESPACE, "ModelLatency", start, end, 60, ["Sum", "SampleCount"], LISTED
    )
    assert point["Sum"] == 40
    assert point["SampleCount"] == 2
    assert {metric.name for metric in watch.get_all_metrics()} == {"ModelLatency"}


def test_points_are_made_of_whole_periods(watch: CloudWatch) -> None:
    hour = int(time.time()) // 3600 * 3600
    for minute in (0, 1, 30):
        watch.record(NAMESPACE, {"a": 1}, DIMENSIONS, when=hour + minute * 60)
    start = datetime.fromtimestamp(hour, UTC)
    points = watch.get_metric_statistics(
        NAMESPACE, "a", start, start + timedelta(hours=1), 1800, ["Sum"], LISTED
    )
    assert [point["Sum"] for point in points] == [2, 1]


def test_what_is_older_than_cloudwatch_keeps_it_is_forgotten(watch: CloudWatch) -> None:
    old = time.time() - 16 * 86_400
    watch.record(NAMESPACE, {"a": 1}, DIMENSIONS, when=old)
    watch.record(NAMESPACE, {"a": 1}, DIMENSIONS)
    start = datetime.fromtimestamp(old - 3600, UTC)
    (result,) = watch.get_metric_data([query("a", "Sum")], start, around_now()[1])
    assert result["values"] == [1]


def put_alarm(watch: CloudWatch, **members: Any) -> None:
    watch.put_metric_alarm(
        **{
            "name": "errors",
            "namespace": NAMESPACE,
            "metric_name": "Invocation5XXErrors",
            "comparison_operator": "GreaterThanThreshold",
            "evaluation_periods": 1,
            "period": 60,
            "threshold": 2.0,
            "statistic": "Sum",
            "description": "",
            "dimensions": LISTED,
            "alarm_actions": [],
            **members,
        }
    )


def state(watch: CloudWatch) -> str:
    return watch.alarms["errors"].state_value


def test_an_alarm_follows_its_metric(watch: CloudWatch) -> None:
    put_alarm(watch)
    assert state(watch) == "INSUFFICIENT_DATA"
    watch.record(NAMESPACE, {"Invocation5XXErrors": 0}, DIMENSIONS)
    assert state(watch) == "OK"
    watch.record(NAMESPACE, {"Invocation5XXErrors": 3}, DIMENSIONS)
    assert state(watch) == "ALARM"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("missing", "INSUFFICIENT_DATA"),
        ("notBreaching", "OK"),
        ("breaching", "ALARM"),
        ("ignore", "OK"),
    ],
)
def test_missing_data_count_as_the_alarm_says(
    watch: CloudWatch, missing: str, expected: str
) -> None:
    put_alarm(watch, treat_missing_data=missing)
    assert state(watch) == expected


def test_an_alarm_may_need_several_periods(watch: CloudWatch) -> None:
    put_alarm(watch, evaluation_periods=3, datapoints_to_alarm=2)
    minute = int(time.time()) // 60 * 60
    watch.record(NAMESPACE, {"Invocation5XXErrors": 5}, DIMENSIONS, when=minute)
    assert state(watch) == "OK"
    watch.record(NAMESPACE, {"Invocation5XXErrors": 5}, DIMENSIONS, when=minute - 60)
    assert state(watch) == "ALARM"


def test_an_action_that_is_not_performed_is_refused(watch: CloudWatch) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:oncall"
    with pytest.raises(InvalidParameterValue, match=f"{topic} isn't performed here"):
        put_alarm(watch, alarm_actions=[topic])
