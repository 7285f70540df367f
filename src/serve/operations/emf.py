"""A report as a line of CloudWatch's embedded metric format.

CloudWatch Logs makes metrics of such lines, wherever they come from. On SageMaker, what
a container writes to stdout goes there, and no port but the server's can be reached.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from serve.operations.counters import BOUNDS, INVOCATIONS, Cell, Totals
from serve.operations.report import Report
from serve.operations.tally import GONE

NAMESPACE = "Halfstar"
DIMENSION = "Endpoint"

_COUNT = "Count"
_BYTES = "Bytes"
_PERCENT = "Percent"
_MILLISECONDS = "Milliseconds"

# The unit of each metric.
UNITS = {
    "Requests": _COUNT,
    "ClientErrors": _COUNT,
    "ServerErrors": _COUNT,
    "Latency": _MILLISECONDS,
    "Rows": _COUNT,
    "BadRows": _COUNT,
    "UnknownShare": _PERCENT,
    "RequestsInProgress": _COUNT,
    "RequestsQueued": _COUNT,
    "MemoryUsed": _BYTES,
    "MemoryShare": _PERCENT,
    "WorkerRestarts": _COUNT,
}


def emf_line(report: Report, endpoint: str, milliseconds: int) -> bytes:
    """The line for one period.

    Args:
        report: what was counted in the period.
        endpoint: the value of the dimension.
        milliseconds: since 1970, at the end of the period.
    """
    values = _values(report)
    defined = [{"Name": name, "Unit": UNITS[name]} for name in values]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": defined,
    }
    metadata = {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}
    line = {"_aws": metadata, DIMENSION: endpoint, **values, "Model": report.model}
    return orjson.dumps(line) + b"\n"


def _values(report: Report) -> dict[str, Any]:
    """The metrics that have a value; a share of nothing has none."""
    totals = report.totals
    predictions = totals.number(Cell.PREDICTIONS)
    n_rows = predictions + totals.number(Cell.QUESTIONS)
    values: dict[str, Any] = {
        "Requests": _invocations(totals, lambda _: True),
        "ClientErrors": _invocations(totals, lambda status: 400 <= status < GONE),
        "ServerErrors": _invocations(totals, lambda status: status >= 500),
        "Rows": n_rows,
        "BadRows": totals.number(Cell.BAD_ROWS),
        "RequestsInProgress": totals.number(Cell.IN_PROGRESS),
        "RequestsQueued": totals.number(Cell.QUEUED),
        "WorkerRestarts": totals.number(Cell.RESTARTS),
        "MemoryUsed": report.memory,
        "MemoryShare": 100 * report.memory / report.memory_limit,
    }
    if n_rows:
        values["UnknownShare"] = 100 * totals.number(Cell.UNKNOWN_ROWS) / n_rows
    if any(totals.buckets):
        values["Latency"] = _latency(totals)
    return values


def _invocations(totals: Totals, passes: Callable[[int], bool]) -> int:
    return sum(
        count
        for (route, status), count in totals.requests().items()
        if route == INVOCATIONS and passes(status)
    )


def _latency(totals: Totals) -> dict[str, Any]:
    """The durations as CloudWatch takes a distribution, in milliseconds.

    Each counts as the upper bound of its class, so percentiles are a little too high.
    The sum is exact. AWS's exporter of OpenTelemetry writes distributions in this form.
    """
    bounds = [*BOUNDS, BOUNDS[-1]]
    found = [
        (1000 * bound, count)
        for bound, count in zip(bounds, totals.buckets, strict=True)
        if count
    ]
    values = [bound for bound, _ in found]
    counts = [count for _, count in found]
    return {
        "Values": values,
        "Counts": counts,
        "Min": values[0],
        "Max": values[-1],
        "Count": sum(counts),
        "Sum": 1000 * totals.seconds,
    }
