"""The dashboard of an endpoint in CloudWatch.

A dashboard has no tags. A line of its text says whose it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from launcher.config import Config
from launcher.errors import ForeignError
from launcher.requests import Action, Call, Request
from launcher.world.account import Account
from launcher.world.operation import (
    ALARMS,
    VARIANT,
    DashboardState,
    alarm_name,
    dashboard_owner,
)

_OF_ENDPOINTS = "AWS/SageMaker"
_OF_INSTANCES = "/aws/sagemaker/Endpoints"
# What the server writes if its environment says so (docs/operations.md).
_EMF_SECONDS = "HALFSTAR_EMF_SECONDS"
_EMF_ENDPOINT = "HALFSTAR_EMF_ENDPOINT"
_DEFAULT_EMF_ENDPOINT = "halfstar"
_OF_ROWS = "Halfstar"

_COLUMNS = 3
_WIDTH = 8  # a third of the page
_HEIGHT = 6
_HEAD_HEIGHT = 2
_PERIOD_SECONDS = 60

Widget = dict[str, Any]
Metric = list[Any]
# The kind of a widget, and its properties.
_Panel = tuple[str, dict[str, Any]]


def plan_dashboard(
    config: Config, account: Account, endpoint: str, found: DashboardState | None
) -> list[Action]:
    """Make, change or delete the dashboard, as the configuration says.

    Args:
        config: whether there should be one, and what the endpoint is like.
        account: where the endpoint is.
        endpoint: its name, which is the dashboard's too.
        found: the dashboard of that name, None if there is none.

    Raises:
        ForeignError: somebody else's dashboard has the name.
    """
    if not config.alarms_dashboard:
        is_ours = found is not None and found.ours
        return plan_no_dashboard(endpoint) if is_ours else []
    if found is not None and not found.ours:
        raise ForeignError(
            f"dashboard {endpoint} exists, but isn't ours: set hosting.endpoint to "
            "another name, or alarms.dashboard to false"
        )
    body = {"widgets": list(_widgets(config, account, endpoint))}
    if found is not None and found.body == body:
        return []
    parameters = {"DashboardName": endpoint, "DashboardBody": json.dumps(body)}
    request = Request("cloudwatch", "PutDashboard", parameters)
    return [Call(f"put dashboard {endpoint}", request)]


def plan_no_dashboard(name: str) -> list[Action]:
    """Delete a dashboard."""
    request = Request("cloudwatch", "DeleteDashboards", {"DashboardNames": [name]})
    says = f"delete dashboard {name}"
    return [Call(says, request, done_if=("ResourceNotFound",), deletes=True)]


def _widgets(config: Config, account: Account, endpoint: str) -> Iterator[Widget]:
    text = f"# {endpoint}\n{dashboard_owner(config)}"
    yield {
        "type": "text",
        "x": 0,
        "y": 0,
        "width": _COLUMNS * _WIDTH,
        "height": _HEAD_HEIGHT,
        "properties": {"markdown": text},
    }
    panels = list(_panels(config, account, endpoint))
    for place, (kind, properties) in enumerate(panels):
        row, column = divmod(place, _COLUMNS)
        yield {
            "type": kind,
            "x": column * _WIDTH,
            "y": _HEAD_HEIGHT + row * _HEIGHT,
            "width": _WIDTH,
            "height": _HEIGHT,
            "properties": properties,
        }


def _panels(config: Config, account: Account, endpoint: str) -> Iterator[_Panel]:
    """The widgets below the head."""
    region = account.region
    for title, metrics in _of_requests(config, endpoint):
        yield _graph(title, metrics, region)
    if config.environment.get(_EMF_SECONDS):
        for title, metrics in _of_server(config):
            yield _graph(title, metrics, region)
    alarms = _alarms(config, endpoint)
    if alarms:
        arn = f"arn:{account.partition}:cloudwatch:{region}:{account.id}:alarm"
        arns = [f"{arn}:{name}" for name in alarms]
        yield "alarm", {"title": "Alarms", "alarms": arns}


def _graph(title: str, metrics: list[Metric], region: str) -> _Panel:
    return "metric", {
        "title": title,
        "region": region,
        "view": "timeSeries",
        "period": _PERIOD_SECONDS,
        "metrics": metrics,
    }


def _of_requests(config: Config, endpoint: str) -> Iterator[tuple[str, list[Metric]]]:
    """What SageMaker measures."""
    of_endpoint = ["EndpointName", endpoint]
    of_variant = [*of_endpoint, "VariantName", VARIANT]

    def requests(name: str, stat: str) -> Metric:
        return [_OF_ENDPOINTS, name, *of_variant, {"stat": stat}]

    def instances(name: str, stat: str) -> Metric:
        return [_OF_INSTANCES, name, *of_variant, {"stat": stat}]

    yield "Requests", [requests("Invocations", "Sum")]
    yield (
        "Requests that failed",
        [
            requests("Invocation4XXErrors", "Sum"),
            requests("Invocation5XXErrors", "Sum"),
        ],
    )
    yield (
        "Time to an answer, in microseconds",
        [
            requests("ModelLatency", "p50"),
            requests("ModelLatency", "p99"),
            requests("OverheadLatency", "p99"),
        ],
    )
    if config.hosting_kind != "serverless":
        yield (
            "Processors and memory of the instances, in percent",
            [
                instances("CPUUtilization", "Average"),
                instances("MemoryUtilization", "Maximum"),
            ],
        )
    if config.hosting_kind == "async":
        backlog = [_OF_ENDPOINTS, "ApproximateBacklogSize", *of_endpoint]
        yield "Requests that wait", [[*backlog, {"stat": "Average"}]]


def _of_server(config: Config) -> Iterator[tuple[str, list[Metric]]]:
    """What our server measures."""
    source = config.environment.get(_EMF_ENDPOINT, _DEFAULT_EMF_ENDPOINT)
    yield "Rows", [_of_rows(source, "Rows", "Sum"), _of_rows(source, "BadRows", "Sum")]
    yield (
        "Share of rows with an unknown id, in percent",
        [_of_rows(source, "UnknownShare", "Average")],
    )
    yield "Workers that died", [_of_rows(source, "WorkerRestarts", "Sum")]


def _of_rows(source: str, name: str, stat: str) -> Metric:
    return [_OF_ROWS, name, "Endpoint", source, {"stat": stat}]


def _alarms(config: Config, endpoint: str) -> list[str]:
    thresholds = (config.alarms_errors, config.alarms_latency_ms)
    return [
        alarm_name(endpoint, what)
        for what, threshold in zip(ALARMS, thresholds, strict=True)
        if threshold
    ]
