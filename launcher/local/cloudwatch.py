"""CloudWatch: moto's, with metrics that take little room, percentiles, and alarms that
follow their metric.

moto keeps an object for each value and never looks at an alarm. Here the values of a
minute are counted, which is enough for every statistic.
"""

from __future__ import annotations

import math
import operator
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import moto.cloudwatch.urls
from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.models import (
    Alarm,
    CloudWatchBackend,
    MetricDatum,
    MetricDatumBase,
    cloudwatch_backends,
)

from launcher.local.settings import ACCOUNT

ENDPOINTS = "AWS/SageMaker"
TRAINING_JOBS = "/aws/sagemaker/TrainingJobs"

# Namespace, name, and the dimensions' names and values.
_Series = tuple[str, str, frozenset[tuple[str, str]]]
_MINUTE = 60
_KEPT_SECONDS = 15 * 86_400
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


class CloudWatch(CloudWatchBackend):
    """Of one region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        self._lock = threading.Lock()
        # How often each value came, by the minute's first second.
        self._series: dict[_Series, dict[int, Counter[float]]] = {}
        self._alarms: dict[str, Alarm] = {}
        super().__init__(region_name, account_id)

    @property
    def _url_module(self) -> Any:
        # moto would look for it beside this module.
        return moto.cloudwatch.urls

    @property
    def alarms(self) -> dict[str, Alarm]:
        """The alarms, each in the state that its metric gives it now."""
        for alarm in list(self._alarms.values()):
            self._evaluate(alarm)
        return self._alarms

    @alarms.setter
    def alarms(self, alarms: dict[str, Alarm]) -> None:
        self._alarms = alarms

    def record(
        self,
        namespace: str,
        values: Mapping[str, float],
        dimensions: Mapping[str, str],
        *,
        when: float | None = None,
    ) -> None:
        """Add a value to each of some metrics.

        Args:
            namespace: of the metrics.
            values: by the metric's name; four digits of each are kept.
            dimensions: of the metrics.
            when: in seconds; now by default.
        """
        now = time.time()
        minute = int(now if when is None else when) // _MINUTE * _MINUTE
        with self._lock:
            for name, value in values.items():
                key = (namespace, name, frozenset(dimensions.items()))
                minutes = self._series.setdefault(key, {})
                if minute not in minutes:
                    for old in [each for each in minutes if each < now - _KEPT_SECONDS]:
                        del minutes[old]
                    minutes[minute] = Counter()
                minutes[minute][float(f"{value:.4g}")] += 1

    def get_metric_data(
        self,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        """The operation, without expressions, which are refused before."""
        results = []
        for query in queries:
            metric_stat = query["MetricStat"]
            metric = metric_stat["Metric"]
            key = _series(
                metric["Namespace"], metric["MetricName"], metric.get("Dimensions", [])
            )
            period = int(metric_stat["Period"])
            found = self._points(
                key, start_time.timestamp(), end_time.timestamp(), period
            )
            is_descending = scan_by == "TimestampDescending"
            points = sorted(found.items(), reverse=is_descending)
            stat = metric_stat["Stat"]
            result = {
                "id": query["Id"],
                "label": query.get("Label") or f"{metric['MetricName']} {stat}",
                "values": [statistic(values, stat) for _, values in points],
                "timestamps": [datetime.fromtimestamp(when, UTC) for when, _ in points],
                "status_code": "Complete",
            }
            results.append(result)
        return results

    def get_metric_statistics(  # type: ignore[override]
        self,
        namespace: str,
        metric_name: str,
        start_time: datetime,
        end_time: datetime,
        period: int,
        stats: list[str],
        dimensions: list[dict[str, str]],
        unit: str | None = None,
    ) -> list[dict[str, Any]]:
        """The operation, for the five plain statistics."""
        del unit
        key = _series(namespace, metric_name, dimensions)
        points = self._points(key, start_time.timestamp(), end_time.timestamp(), period)
        return [
            {
                "Timestamp": datetime.fromtimestamp(when, UTC),
                **{stat: statistic(values, stat) for stat in stats},
            }
            for when, values in sorted(points.items())
        ]

    def get_all_metrics(self) -> list[MetricDatumBase]:
        """One value of each metric, for ListMetrics."""
        with self._lock:
            keys = list(self._series)
        return [
            MetricDatum(
                namespace,
                name,
                0,
                [{"Name": each, "Value": value} for each, value in dimensions],
                None,
            )
            for namespace, name, dimensions in keys
        ]

    def put_metric_alarm(self, *arguments: Any, **members: Any) -> Alarm:
        """The operation, for actions that are performed."""
        for action in members["alarm_actions"]:
            if ":scalingPolicy:" not in action:
                raise InvalidParameterValue(
                    f"AlarmActions: {action} isn't performed here, only scaling "
                    "policies are."
                )
        # The method that is overridden puts it among `alarms`.
        return super().put_metric_alarm(*arguments, **members)

    def _points(
        self, key: _Series, start: float, end: float, period: int
    ) -> dict[int, Counter[float]]:
        """What came in each period, by its first second; none where nothing came."""
        first = start // _MINUTE * _MINUTE
        points: dict[int, Counter[float]] = {}
        with self._lock:
            for minute, values in self._series.get(key, {}).items():
                if first <= minute < end:
                    begin = minute // period * period
                    points.setdefault(begin, Counter()).update(values)
        return points

    def _evaluate(self, alarm: Alarm) -> None:
        """Set the state of an alarm: by its last periods, with or without the one that
        isn't over yet.
        """
        period = max(_MINUTE, int(alarm.period))
        n_periods = int(alarm.evaluation_periods)
        now = int(time.time()) // period * period
        key = _series(
            alarm.namespace,
            alarm.metric_name,
            [{"Name": each.name, "Value": each.value} for each in alarm.dimensions],
        )
        points = self._points(key, now - n_periods * period, now + period, period)
        states = [
            self._state(
                alarm, [points.get(last - i * period) for i in range(n_periods)]
            )
            for last in (now - period, now)
        ]
        state = min(states, key=("ALARM", "OK", "INSUFFICIENT_DATA").index)
        if state != alarm.state_value:
            reason = f"{len(points)} of the last {n_periods} periods have data"
            alarm.update_state(reason, "{}", state)

    def _state(self, alarm: Alarm, window: Sequence[Counter[float] | None]) -> str:
        present = [values for values in window if values is not None]
        missing = alarm.treat_missing_data or "missing"
        if not present and missing == "missing":
            return "INSUFFICIENT_DATA"
        if not present and missing == "ignore":
            return alarm.state_value
        compare = _COMPARISONS[alarm.comparison_operator]
        name = alarm.extended_statistic or alarm.statistic
        breaches = [
            compare(statistic(values, name), float(alarm.threshold))
            for values in present
        ]
        n_breaches = sum(breaches)
        if missing == "breaching":
            n_breaches += len(window) - len(present)
        needed = int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
        return "ALARM" if n_breaches >= needed else "OK"


def cloudwatch(region: str) -> CloudWatch:
    """The one of a region, in moto's place."""
    cloudwatch_backends.backend = CloudWatch
    found = cloudwatch_backends[ACCOUNT][region]
    assert isinstance(found, CloudWatch)
    return found


def statistic(values: Counter[float], name: str) -> float:
    """A statistic of values that came so often.

    Raises:
        InvalidParameterValue: if it is neither a plain one nor a percentile.

    Example:
        >>> statistic(Counter({1.0: 99, 50.0: 1}), "p99.5")
        50.0
    """
    ordered = sorted(values.elements())
    total = math.fsum(ordered)
    plain = {
        "SampleCount": len(ordered),
        "Sum": total,
        "Average": total / len(ordered),
        "Minimum": ordered[0],
        "Maximum": ordered[-1],
    }
    if name in plain:
        return plain[name]
    percentile = name.removeprefix("p")
    if percentile == name or not percentile.replace(".", "", 1).isdecimal():
        raise InvalidParameterValue(f"The statistic {name} isn't offered here.")
    rank = math.ceil(len(ordered) * float(percentile) / 100)
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def _series(
    namespace: str, name: str, dimensions: Iterable[Mapping[str, str | None]]
) -> _Series:
    pairs = [(str(each["Name"]), str(each["Value"])) for each in dimensions]
    return namespace, name, frozenset(pairs)
