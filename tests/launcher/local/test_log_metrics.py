"""Metrics that are found in a job's log."""

from __future__ import annotations

import pytest

from launcher.local.errors import RefusedError
from launcher.local.log_metrics import LogMetrics


def final_values(*definitions: tuple[str, str], log: list[str]) -> dict[str, float]:
    metrics = LogMetrics(
        [{"Name": name, "Regex": regex} for name, regex in definitions]
    )
    for line in log:
        metrics.read(line)
    return {entry["MetricName"]: entry["Value"] for entry in metrics.final()}


def test_the_last_value_of_each_metric_is_final() -> None:
    log = ["rmse=1.5", "rmse=0.9 mae=0.7", "done"]
    values = final_values(("rmse", r"rmse=(\S+)"), ("mae", r"mae=(\S+)"), log=log)
    assert values == {"rmse": 0.9, "mae": 0.7}


@pytest.mark.parametrize("regex", ["rmse", r"rmse=(\D+)", "(x)?rmse"])
def test_a_match_without_a_number_is_no_value(regex: str) -> None:
    assert final_values(("rmse", regex), log=["rmse=nonsense"]) == {}


def test_a_regular_expression_that_is_none_is_refused() -> None:
    with pytest.raises(RefusedError, match="Invalid metric regex for rmse"):
        LogMetrics([{"Name": "rmse", "Regex": "("}])
