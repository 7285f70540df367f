from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from launcher.config import Config
from launcher.errors import ForeignError
from launcher.plans.dashboards import plan_dashboard, plan_no_dashboard
from launcher.requests import Call
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.operation import DashboardState
from serve.operations.emf import DIMENSION, NAMESPACE, UNITS

WIDTH = 24  # of CloudWatch's grid


@pytest.fixture
def wanted(config: Config) -> Config:
    return replace(config, alarms_dashboard=True, alarms_errors=5)


def body_of(config: Config, account: Account) -> dict[str, Any]:
    (put,) = plan_dashboard(config, account, "e", None)
    assert isinstance(put, Call)
    validate(put.request)
    assert put.request.parameters["DashboardName"] == "e"
    body: dict[str, Any] = json.loads(str(put.request.parameters["DashboardBody"]))
    return body


def metrics_of(body: dict[str, Any]) -> list[list[Any]]:
    return [
        metric
        for widget in body["widgets"]
        for metric in widget["properties"].get("metrics", [])
    ]


def test_a_dashboard_shows_requests_errors_latency_instances_and_alarms(
    wanted: Config, account: Account
) -> None:
    body = body_of(wanted, account)
    names = {metric[1] for metric in metrics_of(body)}
    assert {"Invocations", "Invocation5XXErrors", "ModelLatency"} <= names
    assert "CPUUtilization" in names
    for metric in metrics_of(body):
        assert metric[2:6] == ["EndpointName", "e", "VariantName", "main"]
    (alarms,) = (each for each in body["widgets"] if each["type"] == "alarm")
    (arn,) = alarms["properties"]["alarms"]
    here = f"arn:aws:cloudwatch:{account.region}:{account.id}"
    assert arn == f"{here}:alarm:e-errors"


def test_what_the_server_writes_is_shown_under_the_names_that_it_has(
    wanted: Config, account: Account
) -> None:
    environment = {"HALFSTAR_EMF_SECONDS": "60", "HALFSTAR_EMF_ENDPOINT": "stars"}
    body = body_of(replace(wanted, environment=environment), account)
    ours = [metric for metric in metrics_of(body) if metric[0] == NAMESPACE]
    assert len(ours) == 4
    for metric in ours:
        assert metric[1] in UNITS
        assert metric[2:4] == [DIMENSION, "stars"]


@pytest.mark.parametrize(
    ("kind", "shown", "not_shown"),
    [
        ("serverless", "ModelLatency", "CPUUtilization"),
        ("async", "ApproximateBacklogSize", "Rows"),
        ("real-time", "CPUUtilization", "ApproximateBacklogSize"),
    ],
)
def test_each_kind_of_endpoint_has_the_metrics_that_it_sends(
    wanted: Config, account: Account, kind: str, shown: str, not_shown: str
) -> None:
    body = body_of(replace(wanted, hosting_kind=kind), account)  # type: ignore[arg-type]
    names = {metric[1] for metric in metrics_of(body)}
    assert shown in names
    assert not_shown not in names


def test_widgets_lie_on_the_grid_and_dont_overlap(
    wanted: Config, account: Account
) -> None:
    environment = {"HALFSTAR_EMF_SECONDS": "60"}
    config = replace(wanted, environment=environment, hosting_kind="async")
    taken: set[tuple[int, int]] = set()
    for widget in body_of(config, account)["widgets"]:
        columns = range(widget["x"], widget["x"] + widget["width"])
        rows = range(widget["y"], widget["y"] + widget["height"])
        cells = set(itertools.product(columns, rows))
        assert max(columns) < WIDTH
        assert not taken & cells
        taken |= cells


def test_a_dashboard_is_changed_left_alone_or_deleted(
    wanted: Config, config: Config, account: Account
) -> None:
    found = DashboardState(body_of(wanted, account), ours=True)
    assert plan_dashboard(wanted, account, "e", found) == []
    changed = replace(wanted, alarms_errors=0)
    (put,) = plan_dashboard(changed, account, "e", found)
    assert isinstance(put, Call)
    assert put.request.operation == "PutDashboard"
    assert plan_dashboard(config, account, "e", found) == plan_no_dashboard("e")
    assert plan_dashboard(config, account, "e", None) == []


def test_a_foreign_dashboard_with_our_name_is_refused(
    wanted: Config, config: Config, account: Account
) -> None:
    foreign = DashboardState({"widgets": []}, ours=False)
    with pytest.raises(ForeignError, match="dashboard e exists, but isn't ours"):
        plan_dashboard(wanted, account, "e", foreign)
    assert plan_dashboard(config, account, "e", foreign) == []
