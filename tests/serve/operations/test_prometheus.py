from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from serve.operations.counters import BOUNDS, INVOCATIONS, Board
from serve.operations.prometheus import metrics_of, to_text
from serve.operations.report import Report
from serve.operations.tally import Tally

DOCS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture
def report() -> Report:
    """Two requests, of 0 s and of one second."""
    board = Board(1)
    for seconds in (0.0, 1.0):
        board.slot(0).count(INVOCATIONS, Tally(0.0, seconds, 200))
    return Report(board.totals(), {"booster": "a"}, {"worker 0": 10}, 20, 30)


def test_classes_of_a_histogram_hold_those_below(report: Report) -> None:
    text = to_text(report).decode()
    found = re.findall(r'duration_seconds_bucket\{le="(.*)"\} (\d+)\n', text)
    bounds = [float(bound) for bound, _ in found]
    assert bounds == [*BOUNDS, float("inf")]
    counts = [int(count) for _, count in found]
    assert counts == [1 if bound < 1 else 2 for bound in bounds]
    assert "halfstar_request_duration_seconds_sum 1.0\n" in text
    assert "halfstar_request_duration_seconds_count 2\n" in text


def test_values_of_labels_are_escaped(report: Report) -> None:
    odd = replace(report, model={"booster": 'a"b\\c\nd'})
    assert '{booster="a\\"b\\\\c\\nd"} 1\n' in to_text(odd).decode()


def test_the_docs_have_all_metrics_in_their_order(report: Report) -> None:
    of_one = list(metrics_of(report))
    of_many = list(metrics_of(replace(report, model={})))
    added = [metric for metric in of_many if metric.name == "models"]
    documented = re.findall(
        r"^\| `halfstar_(\w+)` \| (\w+) \| .*\| (.*) \|$",
        DOCS.read_text(),
        re.MULTILINE,
    )
    expected = [(each.name, each.kind, each.meaning) for each in [*of_one, *added]]
    assert documented == expected
