from __future__ import annotations

import json
import re
from typing import Any

from serve.operations.counters import INVOCATIONS, Board, Load
from serve.operations.emf import UNITS, emf_line
from serve.operations.report import Report, Reporter
from serve.operations.tally import GONE, Tally
from tests.serve.operations.test_prometheus import DOCS


def line_of(report: Report) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(emf_line(report, "movies-1", 1_000))
    return parsed


def test_a_period_without_requests_has_no_latency_and_no_share() -> None:
    line = line_of(Reporter(Board(1), {}).now())
    assert line["Requests"] == 0
    assert set(UNITS) - set(line) == {"Latency", "UnknownShare"}
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    named = {metric["Name"] for metric in directive["Metrics"]}
    assert named == set(UNITS) & set(line)
    assert line["_aws"]["Timestamp"] == 1_000


def test_a_period_has_its_own_requests_and_what_is_now() -> None:
    board = Board(1)
    slot = board.slot(0)
    reporter = Reporter(board, {"booster": "a"})
    slot.count(INVOCATIONS, Tally(0.0, 9.0, 200, predictions=100))
    slot.set_load(Load(in_progress=2, queued=1))
    reporter.since_last()

    slot.count(INVOCATIONS, Tally(0.0, 0.0015, 200, predictions=3, unknown_rows=1))
    slot.count(INVOCATIONS, Tally(0.0, 0.004, 200, questions=1))
    slot.count(INVOCATIONS, Tally(0.0, 0.0001, 400))
    slot.count(INVOCATIONS, Tally(0.0, 0.0001, 503))
    slot.count(INVOCATIONS, Tally(0.0, 5.0, GONE))
    slot.count("other", Tally(0.0, 0.1, 404))
    line = line_of(reporter.since_last())
    counts = [line[name] for name in ("Requests", "ClientErrors", "ServerErrors")]
    assert counts == [5, 1, 1]
    assert (line["Rows"], line["UnknownShare"]) == (4, 25)
    assert (line["RequestsInProgress"], line["RequestsQueued"]) == (2, 1)
    assert (line["Endpoint"], line["Model"]) == ("movies-1", {"booster": "a"})
    latency = line["Latency"]
    assert (latency["Values"], latency["Counts"]) == ([0.2, 2.0, 5.0], [2, 1, 1])
    assert (latency["Min"], latency["Max"], latency["Count"]) == (0.2, 5.0, 4)
    assert abs(latency["Sum"] - 5.7) < 1e-9


def test_the_docs_have_all_metrics_with_their_units() -> None:
    units = "|".join(set(UNITS.values()))
    documented = re.findall(rf"^\| `(\w+)` \| ({units}) \|", DOCS.read_text(), re.M)
    assert dict(documented) == UNITS
