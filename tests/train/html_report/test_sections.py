from __future__ import annotations

from xml.etree import ElementTree

from train.html_report.sections import stage_figure


def test_stages_are_shown_with_what_they_cost() -> None:
    stages = [
        {"name": "read", "seconds": 1.25, "cores_busy": 1.5, "peak_mb": 1234},
        {"name": "boost", "seconds": 40.0, "cores_busy": 1.98, "peak_mb": 2345},
    ]
    root = ElementTree.fromstring(stage_figure(stages))
    cells = [each.text for each in root.iter("td")]
    assert cells == ["1.2", "1.50", "1,234", "40.0", "1.98", "2,345"]
    texts = [each.text for each in root.iter("text")]
    assert texts == ["read", "1.2 s", "boost", "40.0 s"]


def test_without_stages_there_is_no_figure() -> None:
    assert stage_figure([]) == ""
